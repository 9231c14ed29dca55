// The models of this machine, as everything else sees them: what is asked for is checked, written down where it has to
// survive, and given to the keeper. It knows the catalogue, the residency and the keeper, and joins the three.
import type { JobClaim, TaskKind } from '../../protocol/index.ts';
import { fetchModel } from '../../workers/fetch-model.ts';
import type { EngineSettings, Host } from '../../workers/types.ts';
import type { Logs } from '../logs/logs.ts';
import { memoryRefusal } from './admission.ts';
import { openCatalogue } from './catalogue.ts';
import { isGone, type KeeperHost, type Kept, modelOf, openKeeper } from './keeper.ts';
import type { Life } from './lifecycle.ts';
import { openResidency } from './residency.ts';
import { openReloads, restoreResident } from './restore.ts';
import { type Asked, type CatalogueEntry, ModelError, type Models, type ModelView } from './types.ts';
import { viewOf } from './view.ts';

export type ModelsOptions = {
  /** `models.json` and `residency.json`. */
  readonly paths: { readonly models: string; readonly residency: string };
  readonly host: KeeperHost & Pick<Host, 'setPinned' | 'readyEngines'>;
  /** Dispatches `change` when an engine became ready or stopped being it. */
  readonly enginesChanged: EventTarget;
  /** For fetching files without loading them. */
  readonly engineSettings: EngineSettings;
  /** Whether resident models are loaded now. Not in the trial of a new version, which is to disturb nobody. */
  readonly restore: boolean;
  readonly logs: Pick<Logs, 'info' | 'warn' | 'error' | 'debug'>;
  /** Bytes of model files that a `pull` brought over the network. */
  readonly received?: (bytes: number) => void;
};

/** More often nobody can read it. */
const TELL_EVERY_MS = 250;
/** The drain of running jobs, and as much again for the engine and its memory to go. */
const REMOVE_MS_MAX = 20_000;

export async function openModels(options: ModelsOptions): Promise<Models> {
  const { paths, host, enginesChanged, engineSettings, logs } = options;
  const residency = await openResidency(paths.residency, logs);
  const inUse = (id: string): boolean => residency.has(id) || !isGone(keeper.get(id)?.life.state ?? 'unloaded');
  const catalogue = await openCatalogue({ path: paths.models, logs, inUse });
  const changes = new EventTarget();
  const toldAt = new Map<string, { state: Life['state']; atMs: number }>();
  const closing = new AbortController();
  let turn: Promise<unknown> = Promise.resolve();

  const reloads = openReloads(logs);
  const keeper = openKeeper({ ...{ host, enginesChanged, logs, changed: tell }, moved });
  for (const entry of catalogue.list()) keeper.set(entry);

  function view(kept: Kept, readyEngines = host.readyEngines()): ModelView {
    return viewOf(kept, { resident: residency.has(kept.entry.id), readyEngines, nowMs: performance.now() });
  }

  function tell(kept: Kept): void {
    const { id } = kept.entry;
    const { state } = kept.life;
    const last = toldAt.get(id);
    const atMs = performance.now();
    if (last?.state === state && state === 'loading' && atMs - last.atMs < TELL_EVERY_MS) return;
    toldAt.set(id, { state, atMs });
    changes.dispatchEvent(new CustomEvent('change', { detail: view(kept) }));
  }

  function moved({ entry: { id }, key, life }: Kept, before: Life): void {
    const resident = residency.has(id);
    if (life.state === 'loaded') host.setPinned(key, resident);
    // Without having been on its way out: its engine has died.
    const isLost = before.state === 'loaded' && life.state === 'unloaded';
    if (isLost && resident && !closing.signal.aborted && reloads.allows(id)) keeper.ask(id, 'load');
  }

  /** One request at a time decides: what it has looked at must still be so when it acts. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  }

  function known(id: string): Kept {
    const kept = keeper.get(id);
    if (kept) return kept;
    throw new ModelError('unknown_model', 404, `there is no model \`${id}\` in the catalogue`);
  }

  function enabled(id: string): Kept {
    const kept = known(id);
    if (kept.entry.enabled) return kept;
    throw new ModelError('model_disabled', 400, `model \`${id}\` is disabled in the catalogue`);
  }

  async function admit({ entry }: Kept): Promise<void> {
    const memory = await host.memory(entry.kind);
    const model = modelOf(entry);
    const refusal = memoryRefusal({
      ...{ id: entry.id, kind: entry.kind, estimateBytes: model.vramBytes, patient: false },
      ...{ verdict: host.loadVerdict(model), memory, models: host.models() },
      leaving: new Set(keeper.rivals(entry).map(({ key }) => key)),
    });
    if (refusal) throw refusal;
  }

  /** On disk before anything else changes. */
  async function setResidency(change: { add?: Kept; remove?: readonly Kept[] }): Promise<void> {
    const { add, remove = [] } = change;
    const ids = remove.map(({ entry }) => entry.id);
    await residency.change(add === undefined ? { remove: ids } : { add: add.entry.id, remove: ids });
    for (const kept of remove) host.setPinned(kept.key, false);
    if (add) host.setPinned(add.key, true);
    for (const kept of [...remove, ...(add ? [add] : [])]) tell(kept);
  }

  function load(id: string): Promise<Asked> {
    return inTurn(async () => {
      const kept = enabled(id);
      if (isGone(kept.life.state)) await admit(kept);
      // One that is on its way out is left alone: what was asked first is done first.
      if (kept.life.state !== 'unloading') {
        await setResidency({ add: kept, remove: keeper.rivals(kept.entry) });
        keeper.ask(id, 'load');
      }
      return asked(id, 'loading');
    });
  }

  function unload(id: string): Promise<Asked> {
    return inTurn(async () => {
      await setResidency({ remove: [known(id)] });
      keeper.ask(id, 'unload');
      return asked(id, 'unloading');
    });
  }

  function asked(id: string, underWay: 'loading' | 'unloading'): Asked {
    const kept = known(id);
    const { state } = kept.life;
    return { started: underWay === 'loading' ? state === 'loading' : !isGone(state), model: view(kept) };
  }

  async function ready(id: string, signal: AbortSignal): Promise<{ wasLoaded: boolean }> {
    for (let wasLoaded = true; ; wasLoaded = false) {
      signal.throwIfAborted();
      const kept = enabled(id);
      if (kept.life.state === 'loaded') return { wasLoaded };
      if (kept.life.state === 'unloading') {
        await keeper.until(id, (state) => state !== 'unloading', signal);
        continue;
      }
      await inTurn(async () => {
        const rivals = keeper.rivals(kept.entry);
        if (rivals.length > 0) await setResidency({ remove: rivals });
        keeper.ask(id, 'load');
      });
      const { life, load: loading } = enabled(id);
      if (life.state === 'loading' && loading) await orAborted(loading, signal);
    }
  }

  async function put(value: unknown): Promise<void> {
    const entry = await catalogue.put(value);
    take(entry);
    if (!entry.enabled) await inTurn(() => setResidency({ remove: [known(entry.id)] }));
    if (!entry.enabled) keeper.ask(entry.id, 'unload');
  }

  /** The model of an entry that has become another one stays until its memory is wanted; jobs may be using it. */
  function take(entry: CatalogueEntry): void {
    const before = keeper.get(entry.id);
    const wasLoaded = before !== undefined && !isGone(before.life.state);
    const oldKey = before?.key;
    const kept = keeper.set(entry);
    if (oldKey !== undefined && oldKey !== kept.key) {
      host.setPinned(oldKey, false);
      if (wasLoaded && residency.has(entry.id) && entry.enabled) keeper.ask(entry.id, 'load');
    }
    tell(kept);
  }

  async function remove(id: string): Promise<boolean> {
    const kept = keeper.get(id);
    if (kept === undefined) return false;
    await inTurn(() => setResidency({ remove: [kept] }));
    keeper.cancelLoad(id, 'the model is removed from the catalogue');
    keeper.ask(id, 'unload');
    try {
      await keeper.until(id, isGone, AbortSignal.any([closing.signal, AbortSignal.timeout(REMOVE_MS_MAX)]));
    } catch (cause) {
      const message = `model \`${id}\` did not end within ${REMOVE_MS_MAX / 1000} s; try again when its jobs are over`;
      throw new ModelError('unload_failed', 500, message, { cause });
    }
    const removed = await catalogue.remove(id);
    if (removed) forget(id);
    return removed;
  }

  function forget(id: string): void {
    keeper.drop(id);
    toldAt.delete(id);
    changes.dispatchEvent(new CustomEvent('removed', { detail: { id } }));
  }

  function pick(kind: TaskKind, id?: string): CatalogueEntry {
    if (id !== undefined) {
      const { entry } = enabled(id);
      if (entry.kind === kind) return entry;
      throw new ModelError('wrong_kind', 400, `model \`${id}\` is for ${entry.kind}, not for ${kind}`);
    }
    const first = catalogue.list().find((entry) => entry.kind === kind && entry.enabled);
    if (first) return first;
    throw new ModelError('no_model', 400, `the catalogue has no enabled model for ${kind}`);
  }

  const restoring = restoreResident({
    entries: catalogue.list().filter(({ id, enabled }) => options.restore && enabled && residency.has(id)),
    ...{ keeper, logs, signal: closing.signal },
  });

  return {
    list() {
      const readyEngines = host.readyEngines();
      return catalogue.list().flatMap(({ id }) => {
        const kept = keeper.get(id);
        return kept ? [view(kept, readyEngines)] : [];
      });
    },
    get(id) {
      const kept = keeper.get(id);
      return kept && view(kept);
    },
    ...{ pick, put, remove, load, unload, ready, changes },
    async pull(id, { signal, progress }) {
      const { source } = known(id).entry;
      const both = AbortSignal.any([signal, closing.signal]);
      const { received } = options;
      const log = (level: 'info' | 'warn' | 'error', message: string) => logs[level]('models', message, { model: id });
      await fetchModel({ model: id, source }, { settings: engineSettings, signal: both, progress, log, received });
    },
    learn(claim: JobClaim) {
      const learnt = catalogue.learn(claim);
      if (!learnt) return;
      take(learnt.entry);
      for (const id of learnt.gone) forget(id);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the worker is stopping'));
      keeper[Symbol.dispose]();
      await restoring;
      await turn;
      await catalogue[Symbol.asyncDispose]();
    },
  };
}

/** The work goes on when the caller has left. Rejects with the signal's reason. */
async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
