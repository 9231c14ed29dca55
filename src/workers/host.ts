// The supervisor's door to the engines: says whether a job can start, starts it, and tells what is loaded. It owns the
// pools, opened with the first job of their kind; models and memory are the shelf's, a running job is job-run.ts's.
import type { EngineDescriptor } from '../engines/engine.ts';
import { Failure } from '../protocol/failure.ts';
import { TASK_KINDS, type TaskKind } from '../protocol/index.ts';
import { allEngines } from './all-engines.ts';
import { isReady, unavailable } from './availability.ts';
import { type JobRunOptions, startJob } from './job-run.ts';
import { decide, type Home, type Ledger, memoryOf, reservedBytes } from './ledger.ts';
import { startLoad } from './load-run.ts';
import { modelRef } from './model-key.ts';
import { pickThread, type ThreadView } from './pick-thread.ts';
import { openPool, type Pool, type PoolThread } from './pool.ts';
import { missingDevice } from './pool-home.ts';
import { clearScratchRoot, openScratchRoot } from './scratch.ts';
import { openShelf } from './shelf.ts';
import { isComing, type ShelfModel } from './shelf-model.ts';
import type { Host, HostModel, HostOptions, JobRun, LoadedModelInfo, MemoryView, Verdict } from './types.ts';
import { type AskedJob, engineFor, judgePlace, type Place } from './verdict.ts';

/** Time between asking an engine to stop and killing its process, in ms. A diffusion step on a slow GPU takes 2 to 4 s. */
const CANCEL_GRACE_MS = 5_000;
/** After the grace a thread that still has not returned is stuck for good; this much is for the scheduling of timers. */
const CLOSE_MS_MAX = 500;

type SeenThread = ThreadView & { readonly thread: PoolThread };

export async function openHost(options: HostOptions): Promise<Host> {
  const { log, probed, settings: opening } = options;
  const engines = allEngines(options.extraEngines, options.onlyEngines);
  const graceMs = options.cancelGraceMs ?? CANCEL_GRACE_MS;
  const pools = new Map<TaskKind, Pool>();
  const runs = new Set<JobRun>();
  let { marginBytes = 0 } = opening;
  let runCount = 0;
  let closing = false;

  const changes = new EventTarget();
  const changed = (): void => void changes.dispatchEvent(new Event('change'));

  await openScratchRoot(options.scratchRoot);
  const shelf = openShelf({ ...options, graceMs, changed });

  function poolOf(kind: TaskKind): Pool {
    const open = pools.get(kind);
    if (open) return open;
    const { threads, concurrency } = opening.pools[kind];
    log('debug', 'opening a pool', { kind, threads, concurrency });
    const pool = openPool({
      ...{ kind, threads, concurrency, log, closeMsMax: CLOSE_MS_MAX },
      message: (_thread, message) => shelf.receive(message),
      died: (thread, failure) => shelf.threadDied(thread, failure),
      replaced: changed,
    });
    pools.set(kind, pool);
    return pool;
  }

  function seenThreads(kind: TaskKind): SeenThread[] {
    const models = [...shelf.models()].filter((model) => model.kind === kind);
    return (pools.get(kind)?.threads ?? []).map((thread) => {
      const here = models.filter((model) => model.thread === thread);
      const working = here.find(isAtWork);
      return {
        thread,
        // What is being given up occupies its thread, and nobody can join it.
        working: working && (joinable(working) ? working.ref.key : working.id),
        places: working?.users.size ?? 0,
        warm: new Set(here.filter((model) => model.state === 'loaded').map((model) => model.ref.key)),
      };
    });
  }

  function find(thread: PoolThread, key: string): ShelfModel | undefined {
    return [...shelf.models()].find((model) => model.thread === thread && model.ref.key === key && joinable(model));
  }

  function look(job: AskedJob) {
    const { kind } = job.task;
    const { threads, concurrency } = opening.pools[kind];
    const ref = modelRef(job.model, job.source);
    const bytes = bytesFor(job, ref.key);
    const decision = decide(shelf.ledger, { pool: kind, bytes });
    const seen = pickThread(seenThreads(kind), ref.key, concurrency);
    const model = seen && find(seen.thread, ref.key);
    const unopened = !pools.has(kind);
    const place: Place = model
      ? { kind: 'warm' }
      : seen || unopened
        ? { kind: 'cold' }
        : { kind: 'none', threads, concurrency };
    return { ref, bytes, model, seen, verdict: judgePlace({ ...job, vramBytes: bytes }, place, decision, marginBytes) };
  }

  const missing = ({ task: { kind } }: AskedJob) => missingDevice(opening, options.engineSettings.gpu, kind);
  /** For the kinds that they serve here. */
  function readyEngines(): EngineDescriptor[] {
    return engines.flatMap((engine) => {
      const kinds = engine.kinds.filter((kind) => !missingDevice(opening, options.engineSettings.gpu, kind));
      if (kinds.length === 0 || !isReady(engine, probed)) return [];
      return kinds.length === engine.kinds.length ? engine : { ...engine, kinds };
    });
  }

  /** What earlier loads of the same model took, else the estimate. */
  function bytesFor({ task: { kind }, vramBytes }: AskedJob, key: string): number {
    const estimate = Math.max(0, Math.ceil(vramBytes));
    const peak = options.memory?.peakOf(key, kind);
    if (peak === undefined) return estimate;
    // It has run here, so being a little over the budget is no reason to refuse it for ever.
    const most = Math.min(memoryOf(shelf.ledger, kind).budgetBytes, shelf.ledger.budgets.pools[kind]);
    return Math.min(peak, Math.max(estimate, most));
  }

  function verdict(job: AskedJob): Verdict {
    if (closing) return { kind: 'busy', why: 'the worker is stopping' };
    const engine = engineFor(engines, job);
    if (!('isolation' in engine)) return engine;
    return missing(job) ?? unavailable(engine, probed) ?? look(job).verdict;
  }

  function place(job: AskedJob): ShelfModel | Failure {
    if (closing) return new Failure('SHUTDOWN', 'the worker is stopping');
    const engine = engineFor(engines, job);
    if (!('isolation' in engine)) return new Failure(engine.code, engine.why);
    const { ref, bytes, model, seen, verdict: place } = look(job);
    const verdict = missing(job) ?? unavailable(engine, probed) ?? place;
    if (verdict.kind === 'never') return new Failure(verdict.code, verdict.why);
    if (verdict.kind === 'busy') return new Failure('VRAM_EXHAUSTED', verdict.why);
    if (model) return model;
    const { kind } = job.task;
    const thread = seen?.thread ?? poolOf(kind).threads[0];
    if (!thread) return new Failure('ENGINE_CRASHED', `the ${kind} pool has no threads`);
    return shelf.add({ kind, thread, engine, ref, bytes });
  }

  /** Any instance will do for somebody who only wants it loaded. */
  function present(model: HostModel): ShelfModel | undefined {
    const { key } = modelRef(model.model, model.source);
    return [...shelf.models()].find((one) => one.kind === model.kind && one.ref.key === key && joinable(one));
  }

  const infoOf = (model: ShelfModel): LoadedModelInfo => modelInfo(model, shelf.ledger);

  return {
    engines,
    readyEngines,
    slots() {
      const ready = readyEngines();
      const served = TASK_KINDS.filter((kind) => ready.some((engine) => engine.kinds.includes(kind)));
      return Object.fromEntries(
        served.map((kind) => [kind, opening.pools[kind].threads * opening.pools[kind].concurrency]),
      );
    },
    verdict,
    run(job, observer) {
      const model = place(job);
      if (model instanceof Failure) return { done: Promise.reject(model), cancel() {} };
      runCount += 1;
      const { scratchRoot } = options;
      const parts: JobRunOptions = { job, runId: runCount, model, observer, shelf, scratchRoot, graceMs };
      const run = startJob(parts);
      runs.add(run);
      const forget = () => void runs.delete(run);
      run.done.then(forget, forget);
      return run;
    },
    models: () => [...shelf.models()].map(infoOf),
    keyOf: ({ model, source }) => modelRef(model, source).key,
    loadVerdict(wanted) {
      return !closing && present(wanted) ? { kind: 'ready' } : verdict(asJob(wanted));
    },
    load(wanted, observer = {}) {
      const model = (closing ? undefined : present(wanted)) ?? place(asJob(wanted));
      if (model instanceof Failure) return { done: Promise.reject(model), cancel() {} };
      return startLoad({ model, shelf, observer, info: infoOf });
    },
    unload: (key, { drainMs }) => shelf.letGo(key, drainMs),
    setPinned: shelf.pin,
    async memory(kind) {
      const { ledger } = shelf;
      const { deviceBytes, pools: budgets, homes } = ledger.budgets;
      const home = kind && homes?.[kind]?.name;
      const shared = kind ? memoryOf(ledger, kind) : { budgetBytes: deviceBytes, reservedBytes: reservedBytes(ledger) };
      const pool = (kind: TaskKind) => ({ budgetBytes: budgets[kind], reservedBytes: reservedBytes(ledger, kind) });
      return {
        ...{ deviceBytes: shared.budgetBytes, marginBytes, reservedBytes: shared.reservedBytes },
        freeBytes: home === 'ram' ? undefined : await options.freeBytes?.(home),
        sharedBy: TASK_KINDS.filter((one) => isWithin(homes?.[one]?.name, home)),
        pools: Object.fromEntries(TASK_KINDS.map((kind) => [kind, pool(kind)])) as MemoryView['pools'],
      };
    },
    changes,
    configure(settings) {
      ({ marginBytes = 0 } = settings);
      shelf.configure(settings);
      changed();
    },
    async [Symbol.asyncDispose]() {
      if (closing) return;
      closing = true;
      for (const run of runs) run.cancel('SHUTDOWN', 'the worker is stopping');
      await Promise.allSettled([...runs].map((run) => run.done));
      await withinMs(shelf[Symbol.asyncDispose](), graceMs + CLOSE_MS_MAX);
      await Promise.all([...pools.values()].map((pool) => pool[Symbol.asyncDispose]()));
      await clearScratchRoot(options.scratchRoot);
    },
  };
}

function isAtWork(model: ShelfModel): boolean {
  return model.users.size > 0 || isComing(model) || model.loadFailed;
}

/** An engine that holds a run which it does not return from gets no further one. */
function joinable(model: ShelfModel): boolean {
  if (model.abandoned.size > 0 || model.draining) return false;
  return model.state === 'loaded' || (isComing(model) && !model.loading.signal.aborted);
}

function asJob({ kind, ...model }: HostModel): AskedJob {
  return { ...model, task: { kind } };
}

function modelInfo(model: ShelfModel, { reservations }: Ledger): LoadedModelInfo {
  const {
    memory: { memoryBytes },
    pid,
  } = model.instance;
  return {
    key: model.ref.key,
    model: model.ref.model,
    pool: model.kind,
    engine: model.engine.id,
    bytes: model.bytes,
    state: model.draining ? 'unloading' : model.state,
    runs: model.users.size,
    pinned: reservations.get(model.id)?.pinned ?? false,
    ...(model.progress !== undefined && { progress: model.progress }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(pid !== undefined && { pid }),
  };
}

/** All devices together hold what every GPU holds, and RAM beside them is a memory of its own. */
function isWithin(one: Home['name'] | undefined, home: Home['name'] | undefined): boolean {
  return home === undefined ? one !== 'ram' : one === home;
}

/** A thread that is stuck answers no more; closing must not wait for it. */
async function withinMs(work: PromiseLike<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
