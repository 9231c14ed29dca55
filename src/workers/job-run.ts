// One job on its way through a model, as the host sees it: waits for the load, runs on the thread over a port of its
// own, writes the chunks of its result, and can be stopped at any moment.
//
//   waiting ─ready→ running ─end→ writing ─→ done
//      └───────────────┴─ stop (cancel, hung, write failed): ask the engine, give up on it after the grace ─→ failed
//
// `done` and the place on the thread end apart: an engine that does not return keeps its place, never its caller.
import { join } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Failure, toFailure } from '../protocol/failure.ts';
import { WINDOW_BYTES } from './byte-window.ts';
import type { RunCommand, RunEvent, RunOutcome } from './messages.ts';
import { type InputPump, openInputPump } from './run-input.ts';
import type { ModelUser, Shelf, ShelfModel } from './shelf-model.ts';
import { STALL_DEFAULTS } from './stall.ts';
import type { HostJob, JobObserver, JobPhase, JobResult, JobRun } from './types.ts';
import { openWatchdog, type Watchdog } from './watchdog.ts';

export type JobRunOptions = {
  readonly job: HostJob;
  readonly runId: number;
  readonly model: ShelfModel;
  readonly observer: JobObserver;
  readonly shelf: Shelf;
  readonly scratchRoot: string;
  readonly graceMs: number;
};

export function startJob({ job, runId, model, observer, shelf, scratchRoot, graceMs }: JobRunOptions): JobRun {
  const done = Promise.withResolvers<JobResult>();
  let state: 'waiting' | 'running' | 'writing' | 'over' = 'waiting';
  let phase: JobPhase | undefined;
  let stopped: Failure | undefined;
  let port: MessagePort | undefined;
  let input: InputPump | undefined;
  let watchdog: Watchdog | undefined;
  let graceTimer: NodeJS.Timeout | undefined;
  let writes = Promise.resolve();
  let unwritten = 0;
  let byteLength = 0;

  const user: ModelUser = {
    phase: enter,
    loadProgress: (ratio) => observer.loadProgress?.(ratio),
    log: (level, message) => observer.log(level, message),
    stop,
    crashed(failure) {
      leave();
      fail(failure);
    },
  };

  /** What happens to the model before the job runs on it. */
  function enter(next: JobPhase): void {
    if (state !== 'waiting' || stopped || next === phase) return;
    phase = next;
    observer.phase(next);
  }

  function settle(outcome: () => void): void {
    if (state === 'over') return;
    state = 'over';
    input?.stop();
    watchdog?.stop();
    clearTimeout(graceTimer);
    outcome();
  }

  function fail(failure: Failure): void {
    settle(() => done.reject(stopped ?? failure));
  }

  /** Gives the place on the thread back. */
  function leave(): void {
    port?.close();
    watchdog?.stop();
    shelf.leave(model, user, job.keepAliveMs);
  }

  function tell(command: RunCommand): void {
    port?.postMessage(command);
  }

  function begin(): void {
    if (state !== 'waiting' || stopped) return;
    state = 'running';
    observer.phase('running');
    const channel = new MessageChannel();
    port = channel.port1;
    port.on('message', hear);
    const limitMs = model.engine.runStallMs ?? STALL_DEFAULTS.runStallMs;
    watchdog = openWatchdog(
      limitMs,
      () => unwritten > 0 || input?.idle === true,
      () => giveUp(new Failure('ENGINE_HUNG', `the engine made no progress for ${limitMs} ms`)),
    );
    const scratchDir = join(scratchRoot, model.id, `run-${runId}`);
    const order = { task: job.task, scratchDir, windowBytes: WINDOW_BYTES, hasInput: job.input !== undefined };
    // The end is told over the port; what fails here is the thread, or a task that cannot be sent.
    model.thread
      .run(model.id, order, channel.port2)
      .catch((thrown) => user.crashed(toFailure(thrown, 'ENGINE_CRASHED')));
    if (job.input) {
      const send = (command: RunCommand, transfer: ArrayBuffer[]) => channel.port1.postMessage(command, transfer);
      input = openInputPump(job.input, send, (thrown) => stop(toFailure(thrown, 'INPUT_INVALID')));
    }
  }

  function hear(event: RunEvent): void {
    watchdog?.feed();
    if (event.kind === 'end') {
      if (event.memory) model.instance.measured(event.memory);
      return end(event.outcome);
    }
    if (stopped || state !== 'running') return;
    switch (event.kind) {
      case 'progress':
        observer.progress(event.progress);
        break;
      case 'token':
        observer.token(event.text);
        break;
      case 'reasoning':
        observer.reasoning?.(event.text);
        break;
      case 'partial':
        observer.partial?.(event.text);
        break;
      case 'inputCredit':
        input?.give(event.bytes);
        break;
      case 'log':
        observer.log(event.level, event.message);
        break;
      case 'chunk':
        write(event.chunk);
        break;
      default:
        event satisfies never;
    }
  }

  function write(chunk: Uint8Array): void {
    const { byteLength: bytes } = chunk;
    unwritten += bytes;
    byteLength += bytes;
    writes = writes.then(async () => {
      if (stopped) return;
      try {
        await observer.write(chunk);
        unwritten -= bytes;
        watchdog?.feed();
        tell({ kind: 'credit', bytes });
      } catch (thrown) {
        stop(toFailure(thrown, 'OUTBOX_UNWRITABLE'));
      }
    });
  }

  function end(outcome: RunOutcome): void {
    if (outcome.kind === 'failed' && outcome.died)
      shelf.receive({ kind: 'died', id: model.id, failure: outcome.failure });
    leave();
    if (outcome.kind === 'failed') return fail(new Failure(outcome.failure.code, outcome.failure.message));
    if (stopped) return fail(stopped);
    if (state !== 'running') return;
    state = 'writing';
    if (outcome.kind === 'json') return settle(() => done.resolve(outcome));
    // What is under way was sent before the end, so it is all in `writes`.
    void writes.then(() => {
      if (stopped) fail(stopped);
      else settle(() => done.resolve({ kind: 'bytes', ext: outcome.ext, byteLength }));
    });
  }

  /** Asks the engine to stop, and gives up on it after the grace. The first reason wins. */
  function stop(failure: Failure): void {
    if (stopped || state === 'over') return;
    stopped = failure;
    if (state === 'writing') return fail(failure);
    if (state === 'waiting') return stopWaiting(failure);
    tell({ kind: 'cancel', failure: { code: failure.code, message: failure.message } });
    graceTimer = setTimeout(() => giveUp(failure), graceMs);
  }

  function stopWaiting(failure: Failure): void {
    const alone = model.users.size === 1;
    leave();
    if (!alone) return fail(failure);
    // The load is being aborted; its thread can be used again once that has happened.
    graceTimer = setTimeout(() => fail(failure), graceMs);
    model.ready.then(
      () => fail(failure),
      () => fail(failure),
    );
  }

  function giveUp(failure: Failure): void {
    stopped ??= failure;
    tell({ kind: 'cancel', failure: { code: stopped.code, message: stopped.message } });
    fail(stopped);
    shelf.abandon(model, user, stopped);
  }

  // The place is taken at once; the observer hears nothing before `run` has returned to its caller.
  shelf.enter(model, user);
  if (model.state === 'loaded') queueMicrotask(begin);
  else {
    queueMicrotask(() => enter(model.state === 'fetching' ? 'fetching' : 'loading'));
    model.ready.then(begin, (failure: Failure) => user.crashed(failure));
  }
  return {
    done: done.promise,
    cancel: (code, reason) => stop(new Failure(code, reason)),
  };
}
