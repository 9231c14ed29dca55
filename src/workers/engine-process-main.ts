// The child's side of an engine process: a host for one loaded model of any engine. It lives as long as the thread that
// started it: it leaves when its channel closes, and its watcher kills it when it cannot.
import { Failure, toFailure } from '../protocol/failure.ts';
import { leaveWithParent } from './leave-with-parent.ts';
import { loadEngine } from './load-engine.ts';
import type { ChildToThread, LoadOrder, MemoryFacts, RunOrder, ThreadToChild } from './messages.ts';
import { peakRssBytes } from './peak-rss.ts';
import { type RunHandle, type RunnableModel, startRun } from './run-on-model.ts';

const loading = new AbortController();
const runs = new Map<number, RunHandle>();
let held: RunnableModel | undefined;

// A terminal's Ctrl-C and a service manager's stop go to the whole group. The supervisor drains on them; its engines
// must go on until they are told.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));
process.on('message', (message: ThreadToChild) => void obey(message));
leaveWithParent();

async function obey(message: ThreadToChild): Promise<void> {
  switch (message.kind) {
    case 'load':
      return load(message.order);
    case 'abortLoad':
      return loading.abort(new Failure(message.failure.code, message.failure.message));
    case 'run':
      return run(message.runId, message.order);
    case 'command':
      return runs.get(message.runId)?.command(message.command);
    case 'unload':
      // Should disposing throw, its trace goes to the log like any other last words.
      await held?.model[Symbol.asyncDispose]();
      return process.exit(0);
    default:
      message satisfies never;
  }
}

async function load(order: LoadOrder): Promise<void> {
  try {
    const model = await loadEngine(order, {
      signal: loading.signal,
      progress: (ratio) => tell({ kind: 'loadProgress', ratio }),
      log: (level, message) => tell({ kind: 'log', level, message }),
    });
    const memory = (): MemoryFacts => ({
      memoryBytes: model.memoryBytes,
      rssBytes: peakRssBytes(),
      holderPid: model.holderPid ?? process.pid,
    });
    held = { model, settings: order.settings, memory };
    tell({ kind: 'loaded', ...memory() });
  } catch (thrown) {
    const { code, message } = toFailure(thrown, 'ENGINE_FAILED');
    tell({ kind: 'loadFailed', failure: { code, message } });
  }
}

async function run(runId: number, order: RunOrder): Promise<void> {
  if (!held) throw new Error('a run came before its model');
  const handle = startRun(held, order, (event) => tell({ kind: 'event', runId, event }));
  runs.set(runId, handle);
  await handle.ended;
  runs.delete(runId);
}

function tell(message: ChildToThread): void {
  // When the channel is closed this process is about to leave, and nobody listens.
  if (process.connected) process.send?.(message);
}
