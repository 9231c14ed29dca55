// One load on its way: the model of its group that is in the way leaves, then it waits until the host can take it, then
// it is loaded. Ends with the model loaded, or with the failure that says why not.
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../protocol/index.ts';
import type { Host, HostModel, LoadObserver, LoadRun } from '../../workers/types.ts';
import { memoryRefusal } from './admission.ts';

/** The host tells of every change; this is for what it cannot see, such as memory that another program gives back. */
const LOOK_AGAIN_MS = 5_000;

export type LoadHost = Pick<Host, 'loadVerdict' | 'load' | 'memory' | 'models' | 'changes'>;

export type LoadOptions = {
  readonly host: LoadHost;
  /** Dispatches `change` when an engine became ready. */
  readonly enginesChanged: EventTarget;
  readonly model: HostModel;
  readonly observer: LoadObserver;
  /** Resolves when no other model of the group is loaded. */
  readonly makeWay: () => Promise<void>;
  /** Why it does not begin yet. Called again when the reason changes. */
  readonly waiting: (why: string) => void;
  readonly signal: AbortSignal;
};

export async function loadModel(options: LoadOptions): Promise<void> {
  const { signal } = options;
  await options.makeWay();
  const run = await begin(options);
  const cancel = (): void => run.cancel(reasonOf(signal));
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await run.done;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function begin(options: LoadOptions): Promise<LoadRun> {
  const { host, enginesChanged, model, observer, waiting, signal } = options;
  let told: string | undefined;
  for (;;) {
    if (signal.aborted) throw new Failure('CANCELLED', reasonOf(signal));
    const memory = await host.memory(model.kind);
    const verdict = host.loadVerdict(model);
    const refusal = memoryRefusal({
      ...{ id: model.model, kind: model.kind, estimateBytes: model.vramBytes, verdict, memory },
      ...{ models: host.models(), leaving: new Set(), patient: true },
    });
    if (refusal) throw refusal;
    if (verdict.kind === 'never') throw new Failure(verdict.code, verdict.why);
    // In the same step as the verdict, or another load could take the place.
    if (verdict.kind === 'ready') return host.load(model, observer);
    if (verdict.why !== told) waiting(verdict.why);
    told = verdict.why;
    await somethingChanged([host.changes, enginesChanged], signal);
  }
}

async function somethingChanged(targets: readonly EventTarget[], signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const target of targets) target.addEventListener('change', () => resolve(), { once: true, signal: over.signal });
  const timer = sleep(LOOK_AGAIN_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) });
  try {
    await Promise.race([promise, timer.catch(() => {})]);
  } finally {
    over.abort();
  }
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
}
