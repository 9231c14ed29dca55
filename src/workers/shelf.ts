// The loaded models of the whole device: who uses them, what they hold in the ledger, how one more is loaded and who
// leaves for it. It knows threads only as the places where models live, and jobs only as users.
import { join } from 'node:path';
import type { EngineDescriptor, EngineLogLevel, LocalModelFile, ModelRef } from '../engines/engine.ts';
import { Failure, toFailure } from '../protocol/failure.ts';
import type { TaskKind } from '../protocol/index.ts';
import { type Instance, openInstance } from './instance.ts';
import { openKeepAlive } from './keep-alive.ts';
import * as ledgers from './ledger.ts';
import type { ThreadToHost } from './messages.ts';
import type { PoolThread } from './pool.ts';
import { removeFolder } from './scratch.ts';
import { STALL_DEFAULTS } from './stall.ts';
import { abortable, openTurns } from './turns.ts';
import type { HostOptions, HostSettings, JobPhase, LoadedModelInfo } from './types.ts';

/** A job, as far as its model is concerned. */
export type ModelUser = {
  phase(phase: JobPhase): void;
  loadProgress(ratio: number): void;
  log(level: EngineLogLevel, message: string): void;
  crashed(failure: Failure): void;
};

export type ShelfModel = {
  readonly id: string;
  readonly kind: TaskKind;
  readonly engine: EngineDescriptor;
  readonly ref: ModelRef;
  readonly bytes: number;
  readonly thread: PoolThread;
  readonly instance: Instance;
  readonly users: Set<ModelUser>;
  /** Users whose job is over for everyone but the engine, which has not returned from it. */
  readonly abandoned: Set<ModelUser>;
  readonly loading: AbortController;
  state: LoadedModelInfo['state'];
  /** The load has failed, and its thread has not answered yet. */
  loadFailed: boolean;
  /** Resolves when it can run. */
  ready: Promise<void>;
};

export type Shelf = AsyncDisposable & {
  readonly ledger: ledgers.Ledger;
  models(): Iterable<ShelfModel>;
  /** Reserves memory at once, sends away who is in the way, and begins to load. `decide` must not have said wait. */
  add(where: {
    kind: TaskKind;
    thread: PoolThread;
    engine: EngineDescriptor;
    ref: ModelRef;
    bytes: number;
  }): ShelfModel;
  enter(model: ShelfModel, user: ModelUser): void;
  leave(model: ShelfModel, user: ModelUser): void;
  abandon(model: ShelfModel, user: ModelUser, failure: Failure): void;
  receive(message: ThreadToHost): void;
  threadDied(thread: PoolThread, failure: Failure): void;
  configure(settings: HostSettings): void;
};

export function openShelf(options: HostOptions, graceMs: number): Shelf {
  const { log } = options;
  const models = new Map<string, ShelfModel>();
  const loadTurns = openTurns();
  const removals = new Set<Promise<void>>();
  const keepAlive = openKeepAlive(options.settings.keepAliveMs, () => ledger, unload);
  let ledger = ledgers.openLedger(budgetsOf(options.settings));
  let freed = Promise.withResolvers<void>();
  let count = 0;

  async function bring(model: ShelfModel): Promise<void> {
    const { signal } = model.loading;
    // Before its turn to load: a download of hours must not keep other models from loading.
    const files = model.state === 'fetching' ? await model.instance.fetch(signal) : [];
    model.state = 'loading';
    for (const user of model.users) user.phase('loading');
    const work = () => load(model, files, signal);
    // A model without device memory disturbs nobody, so it need not wait for a large one to load.
    await (model.bytes === 0 ? work() : loadTurns.take(signal, work));
    ledger = ledgers.loaded(ledger, model.id, performance.now());
    model.state = 'loaded';
    keepAlive.touch();
    // Without a user, since all were cancelled too late to stop it, it can be evicted from now on.
    if (model.users.size === 0) options.changed?.();
  }

  async function load(model: ShelfModel, files: readonly LocalModelFile[], signal: AbortSignal): Promise<void> {
    await room(model, signal);
    ledger = ledgers.start(ledger, model.id);
    try {
      await model.instance.load(files, signal);
    } catch (thrown) {
      const idle = ledgers.idleOf(ledger);
      if (toFailure(thrown, 'ENGINE_FAILED').code !== 'VRAM_EXHAUSTED' || idle.length === 0) throw thrown;
      // The estimates were wrong, or another program holds memory: make all the room we can, then try once more.
      log('warn', 'out of memory at load, unloading every idle model', { model: model.ref.model, idle: idle.length });
      await abortable(Promise.all(idle.map(({ key }) => unload(key))), signal);
      await model.instance.load(files, signal);
    }
  }

  /** Waits until the memory that was promised has been given back. */
  async function room(model: ShelfModel, signal: AbortSignal): Promise<void> {
    const late = Promise.withResolvers<never>();
    const failure = new Failure('VRAM_EXHAUSTED', `the memory for \`${model.ref.model}\` did not come back`);
    const timer = setTimeout(() => late.reject(failure), STALL_DEFAULTS.loadStallMs);
    try {
      while (ledgers.mustWait(ledger, model.id)) await abortable(Promise.race([freed.promise, late.promise]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async function unload(id: string): Promise<void> {
    const model = models.get(id);
    if (!model) return;
    if (model.state !== 'unloading') {
      model.state = 'unloading';
      ledger = ledgers.doom(ledger, id);
      log('debug', 'unloading a model', { model: model.ref.model, kind: model.kind });
      void model.instance.unload();
    }
    await model.instance.gone;
  }

  /** Nothing is left of it: its memory is free. */
  function remove(model: ShelfModel): void {
    if (!models.delete(model.id)) return;
    model.state = 'unloading';
    ledger = ledgers.free(ledger, model.id);
    freed.resolve();
    freed = Promise.withResolvers();
    const removal = removeFolder(folderOf(model.id)).catch((error: Error) => {
      log('warn', 'a temporary folder could not be removed', { folder: folderOf(model.id), error: error.message });
    });
    removals.add(removal);
    void removal.then(() => removals.delete(removal));
    options.changed?.();
  }

  /** It ended by itself. Taken off the shelf at once, so that the next job is not sent to it. */
  function lost(model: ShelfModel, failure: Failure): void {
    remove(model);
    const bad = failure.code === 'ENGINE_CRASHED' || failure.code === 'ENGINE_HUNG';
    const fields = { model: model.ref.model, kind: model.kind, code: failure.code, why: failure.message };
    log(bad ? 'error' : 'warn', bad ? 'an engine has died' : 'an engine was killed', fields);
    for (const user of [...model.users]) user.crashed(failure);
  }

  function folderOf(id: string): string {
    return join(options.scratchRoot, id);
  }

  /** Kills an engine process that only holds runs which it does not return from. */
  function killIfAbandoned(model: ShelfModel, failure: Failure): void {
    const healthy = model.users.size - model.abandoned.size;
    if (model.abandoned.size > 0 && healthy === 0 && model.engine.isolation === 'process') model.instance.kill(failure);
  }

  return {
    get ledger() {
      return ledger;
    },
    models: () => models.values(),
    add({ kind, thread, engine, ref, bytes }) {
      count += 1;
      const id = `${kind}-${count}`;
      const decision = ledgers.decide(ledger, { pool: kind, bytes });
      const leaving = decision.kind === 'evict' ? decision.keys : [];
      for (const key of leaving) void unload(key);
      ledger = ledgers.reserve(ledger, { key: id, pool: kind, bytes, now: performance.now() });
      const scratchDir = join(folderOf(id), 'model');
      const { engineSettings } = options;
      const measured = { key: ref.key, model: ref.model, engine: engine.id, reservedBytes: bytes };
      const instance = openInstance({
        ...{ id, engine, ref, thread, settings: engineSettings, scratchDir, graceMs },
        measured: (memory) => options.memory?.measured(measured, memory),
      });
      const model: ShelfModel = {
        ...{ id, kind, engine, ref, bytes, thread, instance },
        users: new Set(),
        abandoned: new Set(),
        loading: new AbortController(),
        state: ref.source.files.length > 0 ? 'fetching' : 'loading',
        loadFailed: false,
        ready: Promise.resolve(),
      };
      models.set(id, model);
      model.ready = bring(model).catch(async (thrown) => {
        model.state = 'unloading';
        model.loadFailed = true;
        ledger = ledgers.doom(ledger, id);
        void instance.settled().then(() => instance.close());
        throw toFailure(thrown, 'ENGINE_FAILED');
      });
      // Every user hears of the failure through its own wait; without users nobody needs to.
      model.ready.catch(() => {});
      void instance.gone.then(() => remove(model));
      return model;
    },
    enter(model, user) {
      model.users.add(user);
      ledger = ledgers.acquire(ledger, model.id, performance.now());
    },
    leave(model, user) {
      if (!model.users.delete(user)) return;
      model.abandoned.delete(user);
      if (models.has(model.id)) ledger = ledgers.release(ledger, model.id, performance.now());
      if (model.users.size === 0 && isComing(model)) {
        model.loading.abort(new Failure('CANCELLED', 'no job waits for this model any more'));
      }
      killIfAbandoned(model, new Failure('ENGINE_CRASHED', 'the engine did not stop when it was asked'));
      keepAlive.touch();
      options.changed?.();
    },
    abandon(model, user, failure) {
      if (!model.users.has(user)) return;
      model.abandoned.add(user);
      killIfAbandoned(model, failure);
    },
    receive(message) {
      const model = models.get(message.id);
      if (!model) return;
      if (message.kind === 'loadProgress') for (const user of model.users) user.loadProgress(message.ratio);
      if (message.kind === 'log') {
        for (const user of model.users) user.log(message.level, message.message);
        if (model.users.size === 0) log('debug', message.message, { model: model.ref.model, kind: model.kind });
      }
      model.instance.receive(message);
      if (message.kind === 'died') lost(model, toFailure(message.failure, 'ENGINE_CRASHED'));
    },
    threadDied(thread, failure) {
      for (const model of [...models.values()].filter((one) => one.thread === thread)) {
        model.instance.threadDied(failure);
        lost(model, failure);
      }
    },
    configure(settings) {
      ledger = ledgers.reconfigure(ledger, budgetsOf(settings));
      for (const key of ledgers.surplus(ledger)) void unload(key);
      keepAlive.configure(settings.keepAliveMs);
    },
    async [Symbol.asyncDispose]() {
      keepAlive.stop();
      const all = [...models.values()];
      for (const model of all) model.loading.abort(new Failure('SHUTDOWN', 'the worker is stopping'));
      await Promise.allSettled(all.map((model) => model.ready));
      await Promise.all(all.filter(({ state }) => state === 'loaded').map(({ id }) => unload(id)));
      await Promise.all(all.map((model) => model.instance.gone));
      await Promise.all(removals);
    },
  };
}

/** It will be loaded, and is not yet. */
export function isComing(model: ShelfModel): boolean {
  return model.state === 'fetching' || model.state === 'loading';
}

function budgetsOf({ deviceBytes, pools }: HostSettings): ledgers.Budgets {
  const entries = Object.entries(pools).map(([kind, { vramBytes }]) => [kind, vramBytes]);
  return { deviceBytes, pools: Object.fromEntries(entries) as Record<TaskKind, number> };
}
