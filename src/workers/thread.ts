// The entry of every pool thread: the driver. It holds the models that the host told it to load, each either in this
// thread or in an engine process of its own, and runs jobs on them. Piscina calls `work`; the host steers models over
// the thread's control port.
//
// What runs in threads and engine processes takes its values from protocol/failure.ts and only types from the rest of
// the protocol: the schemas' library would cost each of them 55 ms at start and 23 MB.
import type { MessagePort } from 'node:worker_threads';
import { type FailureReport, toFailure } from '../protocol/failure.ts';
import { openEngineProcess } from './engine-process.ts';
import type { HeldModel } from './held-model.ts';
import { openLocalModel } from './local-model.ts';
import type { HostToThread, LoadOrder, RunEvent, ThreadTask, ThreadToHost } from './messages.ts';

const models = new Map<string, HeldModel>();
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
    case 'load':
      void load(message.order);
      return;
    case 'abortLoad':
      // The load may have ended meanwhile; aborting it then does nothing.
      models.get(message.id)?.abortLoad(message.failure);
      return;
    case 'unload':
      void unload(message.id);
      return;
    case 'kill':
      models.get(message.id)?.kill(message.failure);
      return;
    default:
      message satisfies never;
  }
}

async function load(order: LoadOrder): Promise<void> {
  const { id } = order;
  const open = order.isolation === 'process' ? openEngineProcess : openLocalModel;
  const model = open(order, {
    loadProgress: (ratio) => tell({ kind: 'loadProgress', id, ratio }),
    log: (level, message) => tell({ kind: 'log', id, level, message }),
    died(failure) {
      models.delete(id);
      tell({ kind: 'died', id, failure });
    },
  });
  models.set(id, model);
  try {
    tell({ kind: 'loaded', id, ...(await model.loaded) });
  } catch (thrown) {
    models.delete(id);
    const { code, message } = toFailure(thrown, 'ENGINE_FAILED');
    tell({ kind: 'loadFailed', id, failure: { code, message } });
  }
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
