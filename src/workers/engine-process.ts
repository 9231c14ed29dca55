// The thread's side of an engine process: one child a loaded model, so that native code that aborts takes down one
// model and not the worker. Relays runs between the jobs' ports and the child, and is the only place that kills it.
//
//   loading ─loaded→ loaded ─unload→ leaving ─exit→ gone
//      └────────────────┴──exit by itself, or kill──▶ gone
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { deviceEnv } from '../engines/device-env.ts';
import { type FailureReport, toFailure } from '../protocol/failure.ts';
import { childEnv } from './child-env.ts';
import type { HeldModel, HeldModelHooks } from './held-model.ts';
import { openLastWords } from './last-words.ts';
import type { ChildToThread, LoadOrder, MemoryFacts, RunCommand, RunEvent, ThreadToChild } from './messages.ts';
import { ownBytes } from './own-bytes.ts';

const MAIN = fileURLToPath(new URL(`./engine-process-main${extname(import.meta.url)}`, import.meta.url));
const CLOSING_MS = 1_000;

type Run = { readonly port: MessagePort; ended(): void };

/** `env`: what the engine's process must start with, since its libraries read it before any code of ours runs. */
export function openEngineProcess(
  order: LoadOrder,
  hooks: HeldModelHooks,
  env: Readonly<Record<string, string>>,
): HeldModel {
  const runs = new Map<number, Run>();
  const loaded = Promise.withResolvers<MemoryFacts & { pid?: number }>();
  const gone = Promise.withResolvers<void>();
  let state: 'loading' | 'loaded' | 'leaving' | 'gone' = 'loading';
  let runCount = 0;
  let killedFor: FailureReport | undefined;
  let loadFailure: FailureReport | undefined;

  // The arguments are for people who read `ps`. No shell, and nothing of our own command line: a debugger's port or a
  // test runner's flags are not for engines.
  const child = fork(MAIN, [order.engine, order.model.model], {
    serialization: 'advanced',
    execArgv: [],
    env: { ...childEnv(process.env), ...deviceEnv(order.settings.device), ...env },
    // 0-2 standard, 3 the messages, 4 the lifeline that the child's watcher reads (see engine-process-watcher.ts).
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
  });
  const words = openLastWords(child, (line) => hooks.log('info', line));
  child.on('message', (message) => hear(message as ChildToThread));
  // Also when it could not be started, or a message could not be sent; the second one is followed by its exit.
  child.on('error', (error) => {
    if (child.pid === undefined) void end(`could not be started: ${error.message}`);
    else child.kill('SIGKILL');
  });
  child.on('exit', (code, signal) => void end(signal ? `ended by ${signal}` : `ended with exit code ${code}`));
  // Without its channel the process is of no use. Usually it is ending by itself, and its exit code is worth waiting for.
  child.on('disconnect', () => killAfter(CLOSING_MS));
  send({ kind: 'load', order });

  function send(message: ThreadToChild): void {
    if (child.connected) child.send(message);
  }

  function hear(message: ChildToThread): void {
    switch (message.kind) {
      case 'loadProgress':
        hooks.loadProgress(message.ratio);
        break;
      case 'log':
        hooks.log(message.level, message.message);
        break;
      case 'loaded':
        if (state === 'loading') state = 'loaded';
        loaded.resolve({
          memoryBytes: message.memoryBytes,
          rssBytes: message.rssBytes,
          ...(child.pid && { pid: child.pid }),
        });
        break;
      case 'loadFailed':
        // Told on when the process has gone, since only then its memory is free.
        loadFailure = message.failure;
        leave();
        break;
      case 'event':
        relay(message.runId, message.event);
        break;
      default:
        message satisfies never;
    }
  }

  function relay(runId: number, event: RunEvent): void {
    const run = runs.get(runId);
    if (!run) return;
    if (event.kind === 'chunk') {
      const chunk = ownBytes(event.chunk);
      run.port.postMessage({ kind: 'chunk', chunk } satisfies RunEvent, [chunk.buffer]);
      return;
    }
    run.port.postMessage(event);
    if (event.kind === 'end') run.ended();
  }

  /** Asks the process to leave, and makes it after the grace. */
  function leave(): void {
    if (state === 'leaving' || state === 'gone') return;
    state = 'leaving';
    send({ kind: 'unload' });
    killAfter(order.graceMs);
  }

  function killAfter(ms: number): void {
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    void gone.promise.then(() => clearTimeout(timer));
  }

  async function end(how: string): Promise<void> {
    if (state === 'gone') return;
    const before = state;
    state = 'gone';
    await words.read;
    const said = before === 'leaving' ? undefined : words.telling();
    const message = `the engine process of \`${order.model.model}\` (${order.engine}) ${how}${said ? `: ${said}` : ''}`;
    const failure = killedFor ?? loadFailure ?? { code: 'ENGINE_CRASHED', message };
    for (const { port, ended } of [...runs.values()]) {
      // Said here too, since the control port's word may come later than the next job.
      port.postMessage({ kind: 'end', outcome: { kind: 'failed', failure, died: true } } satisfies RunEvent);
      ended();
    }
    if (before === 'loaded') hooks.died(failure);
    loaded.reject(toFailure(failure, 'ENGINE_CRASHED'));
    gone.resolve();
  }

  return {
    loaded: loaded.promise,
    abortLoad(failure) {
      send({ kind: 'abortLoad', failure });
    },
    async run(runOrder, port) {
      if (state !== 'loaded') {
        const failure: FailureReport = { code: 'ENGINE_CRASHED', message: 'the engine process has just ended' };
        port.postMessage({ kind: 'end', outcome: { kind: 'failed', failure } } satisfies RunEvent);
        return;
      }
      runCount += 1;
      const runId = runCount;
      const { promise, resolve } = Promise.withResolvers<void>();
      runs.set(runId, { port, ended: resolve });
      port.on('message', (command: RunCommand) => send({ kind: 'command', runId, command }));
      send({ kind: 'run', runId, order: runOrder });
      await promise;
      runs.delete(runId);
    },
    kill(failure) {
      killedFor ??= failure;
      child.kill('SIGKILL');
    },
    async unload() {
      leave();
      await gone.promise;
    },
  };
}
