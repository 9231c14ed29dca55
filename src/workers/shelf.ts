// The loaded models of the whole device: who uses them, what they hold in the ledger, how one more is loaded and who
// leaves for it. It knows threads only as the places where models live, and jobs only as users.
import { join } from 'node:path';
import type { LocalModelFile } from '../engines/engine.ts';
import { Failure, toFailure } from '../protocol/failure.ts';
import { openInstance } from './instance.ts';
import { openKeepAlive } from './keep-alive.ts';
import * as ledgers from './ledger.ts';
import { letGo } from './let-go.ts';
import { budgetsOf, settingsOf } from './pool-home.ts';
import { openRoom } from './room.ts';
import { removeFolder } from './scratch.ts';
import { everyone, isComing, type Shelf, type ShelfModel } from './shelf-model.ts';
import { abortable, openTurns } from './turns.ts';
import type { HostOptions } from './types.ts';

export type ShelfOptions = HostOptions & {
  readonly graceMs: number;
  /** A place, memory, or what is to be seen of a model has changed. */
  readonly changed: () => void;
};

export function openShelf(options: ShelfOptions): Shelf {
  const { log, graceMs, changed } = options;
  const models = new Map<string, ShelfModel>();
  const loadTurns = openTurns();
  const removals = new Set<Promise<void>>();
  const keepAlive = openKeepAlive(options.settings.keepAliveMs, () => ledger, unload);
  const pins = new Set<string>();
  const idles = new Map<ShelfModel, PromiseWithResolvers<void>>();
  let { marginBytes = 0 } = options.settings;
  const { settings: opening, engineSettings } = options;
  let ledger = ledgers.openLedger(budgetsOf(opening, opening, engineSettings.gpu));
  const closing = new AbortController();
  let count = 0;
  const room = openRoom({
    ...{ freeBytes: options.freeBytes, recovery: options.recovery, log, unload: evict },
    closing: closing.signal,
    ledger: () => ledger,
    marginBytes: () => marginBytes,
  });

  async function bring(model: ShelfModel): Promise<void> {
    const { signal } = model.loading;
    // Before its turn to load: a download of hours must not keep other models from loading.
    const files = model.state === 'fetching' ? await model.instance.fetch(signal) : [];
    model.state = 'loading';
    model.progress = undefined;
    for (const user of everyone(model)) user.phase('loading');
    changed();
    const work = () => load(model, files, signal);
    // A model without device memory disturbs nobody, so it need not wait for a large one to load.
    await (model.bytes === 0 ? work() : loadTurns.take(signal, work));
    ledger = ledgers.loaded(ledger, model.id, performance.now());
    model.state = 'loaded';
    model.progress = undefined;
    keepAlive.touch();
    changed();
  }

  async function load(model: ShelfModel, files: readonly LocalModelFile[], signal: AbortSignal): Promise<void> {
    model.freeBytesBefore = await room.waitFor(model, signal);
    ledger = ledgers.start(ledger, model.id);
    try {
      await model.instance.load(files, signal);
    } catch (thrown) {
      const idle = ledgers.idleBeside(ledger, model.kind);
      if (toFailure(thrown, 'ENGINE_FAILED').code !== 'VRAM_EXHAUSTED' || idle.length === 0) throw thrown;
      // The estimates were wrong, or another program holds memory: make all the room we can, then try once more.
      log('warn', 'out of memory at load, unloading every idle model', { model: model.ref.model, idle: idle.length });
      await abortable(Promise.all(idle.map(({ key }) => evict(key))), signal);
      await model.instance.load(files, signal);
    }
  }

  async function unload(id: string): Promise<void> {
    const model = models.get(id);
    if (!model) return;
    if (model.state !== 'unloading') {
      model.state = 'unloading';
      ledger = ledgers.doom(ledger, id);
      log('debug', 'unloading a model', { model: model.ref.model, kind: model.kind });
      void sendAway(model);
      changed();
    }
    await model.removed.promise;
  }

  /** As `unload`, for the sake of another model. */
  function evict(id: string): Promise<void> {
    const model = models.get(id);
    if (model && model.state !== 'unloading') options.counts?.evicted(model.kind);
    return unload(id);
  }

  async function sendAway(model: ShelfModel): Promise<void> {
    const before = options.freeBytes && (await room.before(model));
    void model.instance.unload();
    await model.instance.gone;
    await room.isBack(model, before);
    remove(model, 'seen');
  }

  /** Nothing is left of it: its memory is free. */
  function remove(model: ShelfModel, how: 'seen' | 'unseen'): void {
    if (!models.delete(model.id)) return;
    model.state = 'unloading';
    ledger = ledgers.free(ledger, model.id);
    model.removed.resolve();
    room.freed(how);
    syncPins();
    const removal = removeFolder(folderOf(model.id)).catch((error: Error) => {
      log('warn', 'a temporary folder could not be removed', { folder: folderOf(model.id), error: error.message });
    });
    removals.add(removal);
    void removal.then(() => removals.delete(removal));
    changed();
  }

  /** One instance of a pinned model stays, whichever was there first; another one goes like any other. */
  function syncPins(): void {
    const held = new Set<string>();
    for (const { id, ref } of models.values()) {
      const pinned = pins.has(ref.key) && !held.has(ref.key);
      if (pinned) held.add(ref.key);
      if (ledger.reservations.get(id)?.pinned !== pinned) ledger = ledgers.pin(ledger, id, pinned);
    }
  }

  function idle(model: ShelfModel): Promise<void> {
    if (model.users.size === 0) return Promise.resolve();
    const waiting = idles.get(model) ?? Promise.withResolvers<void>();
    idles.set(model, waiting);
    return waiting.promise;
  }

  /** A load is for somebody. */
  function abortIfUnwanted(model: ShelfModel): void {
    if (model.users.size > 0 || model.waiters.size > 0 || !isComing(model)) return;
    model.loading.abort(new Failure('CANCELLED', 'nobody waits for this model any more'));
  }

  /** It ended by itself. Taken off the shelf at once, so that the next job is not sent to it. */
  function lost(model: ShelfModel, failure: Failure): void {
    remove(model, model.bytes > 0 ? 'unseen' : 'seen');
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
      for (const key of leaving) void evict(key);
      ledger = ledgers.reserve(ledger, { key: id, pool: kind, bytes, now: performance.now() });
      const scratchDir = join(folderOf(id), 'model');
      const settings = settingsOf(engineSettings, opening.pools, kind);
      const measured = { key: ref.key, model: ref.model, engine: engine.id, kind, reservedBytes: bytes };
      const instance = openInstance({
        ...{ id, engine, ref, thread, settings, scratchDir, graceMs },
        measured: (memory) => options.memory?.measured(measured, memory),
      });
      const model: ShelfModel = {
        ...{ id, kind, engine, ref, bytes, thread, instance },
        users: new Set(),
        waiters: new Set(),
        abandoned: new Set(),
        loading: new AbortController(),
        removed: Promise.withResolvers(),
        draining: false,
        progress: undefined,
        freeBytesBefore: undefined,
        state: ref.source.files.length > 0 ? 'fetching' : 'loading',
        loadFailed: false,
        ready: Promise.resolve(),
      };
      models.set(id, model);
      syncPins();
      model.ready = bring(model).catch(async (thrown) => {
        model.state = 'unloading';
        model.loadFailed = true;
        ledger = ledgers.doom(ledger, id);
        void instance.settled().then(async () => {
          // Whatever it had taken by then is back when as much is free as before it began.
          const { freeBytesBefore: before } = model;
          if (before !== undefined) await room.isBack(model, before - bytes);
          instance.close();
        });
        throw toFailure(thrown, 'ENGINE_FAILED');
      });
      // Every user hears of the failure through its own wait; without users nobody needs to.
      model.ready.catch(() => {});
      // What is sent away is removed when its memory is back.
      void instance.gone.then(() => (model.loadFailed || !models.has(id) ? remove(model, 'seen') : undefined));
      return model;
    },
    enter(model, user) {
      model.users.add(user);
      ledger = ledgers.acquire(ledger, model.id, performance.now());
    },
    leave(model, user, keepAliveMs) {
      if (!model.users.delete(user)) return;
      model.abandoned.delete(user);
      if (models.has(model.id)) ledger = ledgers.release(ledger, model.id, performance.now(), keepAliveMs);
      if (model.users.size === 0) {
        idles.get(model)?.resolve();
        idles.delete(model);
      }
      abortIfUnwanted(model);
      killIfAbandoned(model, new Failure('ENGINE_CRASHED', 'the engine did not stop when it was asked'));
      keepAlive.touch();
      changed();
    },
    await(model, waiter) {
      model.waiters.add(waiter);
    },
    stopAwaiting(model, waiter) {
      if (model.waiters.delete(waiter)) abortIfUnwanted(model);
    },
    async letGo(key, drainMs) {
      const those = [...models.values()].filter(({ ref }) => ref.key === key);
      const parts = { idle, unload, changed, stopMsMax: 2 * graceMs };
      await Promise.all(those.map((model) => letGo(model, drainMs, parts)));
    },
    pin(key, pinned) {
      if (pinned) pins.add(key);
      else pins.delete(key);
      syncPins();
      keepAlive.touch();
      changed();
    },
    abandon(model, user, failure) {
      if (!model.users.has(user)) return;
      model.abandoned.add(user);
      killIfAbandoned(model, failure);
    },
    receive(message) {
      const model = models.get(message.id);
      if (!model) return;
      if (message.kind === 'loadProgress') {
        const { progress = -1 } = model;
        model.progress = message.ratio;
        for (const user of everyone(model)) user.loadProgress(message.ratio);
        if (Math.floor(message.ratio * 100) !== Math.floor(progress * 100)) changed();
      }
      if (message.kind === 'received') options.counts?.received(message.bytes);
      if (message.kind === 'log') {
        const hearers = everyone(model);
        for (const user of hearers) user.log(message.level, message.message);
        if (hearers.length === 0) log('debug', message.message, { model: model.ref.model, kind: model.kind });
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
      ledger = ledgers.reconfigure(ledger, budgetsOf(settings, opening, engineSettings.gpu));
      marginBytes = settings.marginBytes ?? 0;
      for (const key of ledgers.surplus(ledger)) void unload(key);
      keepAlive.configure(settings.keepAliveMs);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
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
