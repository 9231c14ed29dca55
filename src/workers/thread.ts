// The entry of every pool thread: the driver. It holds the models that the host told it to load, each either in this
// thread or in an engine process of its own, and runs jobs on them. Piscina calls `work`; the host steers models over
// the thread's control port.
//
// What runs in threads and engine processes takes its values from protocol/failure.ts and only types from the rest of
// the protocol: the schemas' library would cost each of them 55 ms at start and 23 MB.
import type { MessagePort } from 'node:worker_threads';
import { ensureModelFiles } from '../engines/models/store.ts';
import { Failure, type FailureReport, toFailure } from '../protocol/failure.ts';
import { openEngineProcess } from './engine-process.ts';
import type { HeldModel, HeldModelHooks } from './held-model.ts';
import { loadProcessEnv } from './load-engine.ts';
import { openLocalModel } from './local-model.ts';
import type { FetchOrder, HostToThread, LoadOrder, RunEvent, ThreadTask, ThreadToHost } from './messages.ts';

const models = new Map<string, HeldModel>();
const preparations = new Map<string, AbortController>();
let control: MessagePort | undefined;

export async function work(task: ThreadTask): Promise<void> {
  if (task.kind === 'attach') {
    control = task.control;
    control.on('message', obey);
    return;
  }
  const model = models.get(task.id);
  if (model) return model.run(task.order, task.port);
  // The engine process died while this job was on its way.
  const failure: FailureReport = { code: 'ENGINE_CRASHED', message: 'the model was gone before the job began' };
  task.port.postMessage({ kind: 'end', outcome: { kind: 'failed', failure } } satisfies RunEvent);
}

function obey(message: HostToThread): void {
  switch (message.kind) {
    case 'fetch':
      void fetchFiles(message.order);
      return;
    case 'load':
      void load(message.order);
      return;
    case 'abortLoad':
      // The load may have ended meanwhile; aborting it then does nothing.
      stopPreparing(message.id, message.failure);
      models.get(message.id)?.abortLoad(message.failure);
      return;
    case 'unload':
      void unload(message.id);
      return;
    case 'kill':
      stopPreparing(message.id, message.failure);
      models.get(message.id)?.kill(message.failure);
      return;
    default:
      message satisfies never;
  }
}

async function fetchFiles({ id, model, settings }: FetchOrder): Promise<void> {
  try {
    const files = await preparing(id, (signal) =>
      ensureModelFiles(model, {
        signal,
        settings,
        progress: (ratio) => tell({ kind: 'loadProgress', id, ratio }),
        log: (level, message) => tell({ kind: 'log', id, level, message }),
        received: (bytes) => tell({ kind: 'received', id, bytes }),
      }),
    );
    tell({ kind: 'fetched', id, files });
  } catch (thrown) {
    tellFailed(id, thrown);
  }
}

async function load(order: LoadOrder): Promise<void> {
  const { id } = order;
  try {
    const model = await open(order);
    models.set(id, model);
    tell({ kind: 'loaded', id, ...(await model.loaded) });
  } catch (thrown) {
    models.delete(id);
    tellFailed(id, thrown);
  }
}

async function open(order: LoadOrder): Promise<HeldModel> {
  const { id } = order;
  const hooks: HeldModelHooks = {
    loadProgress: (ratio) => tell({ kind: 'loadProgress', id, ratio }),
    log: (level, message) => tell({ kind: 'log', id, level, message }),
    died(failure) {
      models.delete(id);
      tell({ kind: 'died', id, failure });
    },
  };
  if (order.isolation === 'thread') return openLocalModel(order, hooks);
  return openEngineProcess(order, hooks, await preparing(id, () => loadProcessEnv(order)));
}

/** Work before there is a model that could be told to stop. */
async function preparing<T>(id: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  preparations.set(id, controller);
  try {
    const done = await work(controller.signal);
    controller.signal.throwIfAborted();
    return done;
  } finally {
    preparations.delete(id);
  }
}

function stopPreparing(id: string, { code, message }: FailureReport): void {
  preparations.get(id)?.abort(new Failure(code, message));
}

function tellFailed(id: string, thrown: unknown): void {
  const { code, message } = toFailure(thrown, 'ENGINE_FAILED');
  tell({ kind: 'loadFailed', id, failure: { code, message } });
}

async function unload(id: string): Promise<void> {
  const model = models.get(id);
  models.delete(id);
  try {
    await model?.unload();
  } catch (thrown) {
    // The model is out of reach either way; what it still holds goes with the thread.
    tell({
      kind: 'log',
      id,
      level: 'warn',
      message: `unloading failed: ${toFailure(thrown, 'ENGINE_FAILED').message}`,
    });
  }
  tell({ kind: 'unloaded', id });
}

function tell(message: ThreadToHost): void {
  control?.postMessage(message);
}
