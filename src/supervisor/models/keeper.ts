// Keeps the life of every model in the catalogue: takes what is asked and what the host shows through lifecycle.ts, and
// carries out the effects. It writes no file, and decides neither what may be loaded nor what stays resident.
import { toFailure } from '../../protocol/index.ts';
import type { Host, HostModel, LoadedModelInfo } from '../../workers/types.ts';
import type { Logs } from '../logs/logs.ts';
import { type Life, type LifeEvent, type Sight, step, UNLOADED } from './lifecycle.ts';
import { atRatio, inPhase, type LoadClock, type LoadPhase, startClock } from './load-clock.ts';
import { type LoadHost, loadModel } from './load-model.ts';
import { type CatalogueEntry, ModelError } from './types.ts';

export const GIB = 1024 ** 3;

/** Running jobs get this long to end before their model is unloaded. */
const DRAIN_MS = 10_000;
/** How long a load waits for the model of its group to leave: the drain, and twice as much for its memory to come back. */
const SWAP_MS_MAX = 30_000;

export type KeeperHost = LoadHost & Pick<Host, 'keyOf' | 'unload'>;

export type KeeperOptions = {
  readonly host: KeeperHost;
  readonly enginesChanged: EventTarget;
  readonly logs: Pick<Logs, 'info' | 'warn' | 'debug'>;
  /** The view of this model may differ. Called often while one loads. */
  readonly changed: (kept: Kept) => void;
  /** It has got into another state. */
  readonly moved: (kept: Kept, before: Life) => void;
};

export type Kept = {
  readonly entry: CatalogueEntry;
  /** What the host calls it. */
  readonly key: string;
  readonly life: Life;
  /** When it got into this state. */
  readonly since: Date;
  /** While a load of ours is under way. */
  readonly clock: LoadClock | undefined;
  /** While it is being loaded, for a job or for us, as the host tells it. */
  readonly coming: { readonly phase: LoadPhase; readonly progress: number | undefined } | undefined;
  /** Of the load that is under way or was the last one: settles with it, rejects with its failure. */
  readonly load: Promise<void> | undefined;
};

type Mutable = { -readonly [Key in keyof Kept]: Kept[Key] } & {
  cancel?: AbortController | undefined;
  loadMs?: number;
  readonly waiters: Set<() => void>;
};

export interface Keeper extends Disposable {
  get(id: string): Kept | undefined;
  all(): Iterable<Kept>;
  /** A new entry, or another one in the place of that of its id. The model of the old one is let go. */
  set(entry: CatalogueEntry): Kept;
  drop(id: string): void;
  /** Nothing comes of it when the state has no use for it. */
  ask(id: string, what: 'load' | 'unload'): void;
  /** Ends a load of ours; one that a job has begun is that job's. */
  cancelLoad(id: string, reason: string): void;
  /** Resolves as soon as `holds` does, or the entry is another one; rejects with the signal's reason. */
  until(id: string, holds: (state: Life['state']) => boolean, signal: AbortSignal): Promise<void>;
  /** Others of its group that are not unloaded. */
  rivals(entry: CatalogueEntry): Kept[];
}

export function modelOf({ id, source, kind, vramGbEstimate }: CatalogueEntry): HostModel {
  return { model: id, source, kind, vramBytes: vramGbEstimate * GIB };
}

export function openKeeper({ host, enginesChanged, logs, changed, moved }: KeeperOptions): Keeper {
  const models = new Map<string, Mutable>();
  let lookSoon: NodeJS.Immediate | undefined;

  function apply(kept: Mutable, event: LifeEvent): void {
    const before = kept.life;
    const { life, effect } = step(before, event);
    if (life === before) return;
    kept.life = life;
    if (life.state !== before.state) {
      kept.since = new Date();
      if (life.state !== 'loading') kept.clock = undefined;
      log(kept, before.state);
    }
    if (effect === 'load') startLoad(kept);
    if (effect === 'unload') startUnload(kept);
    // What becomes of one that was replaced is of no interest to anybody.
    if (models.get(kept.entry.id) !== kept) return;
    changed(kept);
    wake(kept);
    if (life.state !== before.state) moved(kept, before);
  }

  function wake({ waiters }: Mutable): void {
    for (const waiter of [...waiters]) waiter();
  }

  function startLoad(kept: Mutable): void {
    const cancel = new AbortController();
    kept.cancel = cancel;
    kept.clock = startClock(performance.now(), kept.loadMs);
    const load = carryOut(kept, cancel.signal);
    // Whoever waits for it hears of its failure; without anybody the state tells.
    load.catch(() => {});
    kept.load = load;
  }

  async function carryOut(kept: Mutable, signal: AbortSignal): Promise<void> {
    try {
      await loadModel({
        ...{ host, enginesChanged, model: modelOf(kept.entry), signal },
        makeWay: () => makeWay(kept, signal),
        waiting: (why) => logs.info('models', 'a model waits to be loaded', { model: kept.entry.id, why }),
        observer: {
          phase(phase) {
            if (phase !== 'running') tick(kept, (clock) => inPhase(clock, phase, performance.now()));
          },
          loadProgress: (ratio) => tick(kept, (clock) => atRatio(clock, ratio, performance.now())),
          log: (level, message) =>
            logs[level === 'error' ? 'warn' : level]('models', message, { model: kept.entry.id }),
        },
      });
      if (kept.clock?.phase === 'loading') kept.loadMs = performance.now() - kept.clock.phaseAtMs;
      apply(kept, { kind: 'loaded' });
    } catch (thrown) {
      const failure = thrown instanceof ModelError ? thrown : toFailure(thrown, 'ENGINE_FAILED');
      apply(kept, { kind: 'loadFailed', error: failure.message });
      throw failure;
    } finally {
      look();
    }
  }

  function tick(kept: Mutable, move: (clock: LoadClock) => LoadClock): void {
    if (kept.clock === undefined || models.get(kept.entry.id) !== kept) return;
    kept.clock = move(kept.clock);
    changed(kept);
    wake(kept);
  }

  async function makeWay(kept: Mutable, signal: AbortSignal): Promise<void> {
    const leaving = rivals(kept.entry);
    for (const rival of leaving) {
      logs.info('models', 'a model of the same group is unloaded first', {
        model: kept.entry.id,
        leaves: rival.entry.id,
      });
      ask(rival.entry.id, 'unload');
      cancelLoad(rival.entry.id, `\`${kept.entry.id}\` of the same group is loaded instead`);
    }
    const late = AbortSignal.any([signal, AbortSignal.timeout(SWAP_MS_MAX)]);
    for (const { entry } of leaving) {
      await until(entry.id, isGone, late).catch((thrown) => {
        signal.throwIfAborted();
        const message = `\`${entry.id}\` of the same group did not leave within ${SWAP_MS_MAX / 1000} s`;
        throw new ModelError('model_busy', 409, message, { cause: thrown });
      });
    }
  }

  function startUnload(kept: Mutable): void {
    void host.unload(kept.key, { drainMs: DRAIN_MS }).then(() => {
      apply(kept, { kind: 'unloaded' });
      look();
    });
  }

  /** What the host holds now, for every model; several threads may hold the same one. */
  function look(): void {
    clearImmediate(lookSoon);
    lookSoon = undefined;
    const seen = new Map<string, LoadedModelInfo>();
    for (const info of host.models()) {
      const known = seen.get(info.key);
      if (known === undefined || RANK[info.state] > RANK[known.state]) seen.set(info.key, info);
    }
    for (const kept of [...models.values()]) {
      const info = seen.get(kept.key);
      const phase = info?.state === 'fetching' || info?.state === 'loading' ? info.state : undefined;
      const { phase: phaseBefore, progress: before } = kept.coming ?? {};
      kept.coming = phase && { phase, progress: info?.progress };
      apply(kept, { kind: 'seen', sight: info === undefined ? 'absent' : SIGHTS[info.state] });
      if (kept.life.state === 'loading' && (phase !== phaseBefore || info?.progress !== before)) changed(kept);
    }
  }

  /** Many changes in a row become one look. */
  function lookAfterwards(): void {
    lookSoon ??= setImmediate(look);
  }

  function log({ entry, life }: Mutable, before: Life['state']): void {
    const fields = { model: entry.id, kind: entry.kind };
    if (life.state === 'failed') logs.warn('models', 'a model could not be loaded', { ...fields, why: life.error });
    else if (life.state === 'loaded') logs.info('models', 'model loaded', fields);
    else if (life.state === 'unloaded' && before !== 'failed') logs.info('models', 'model unloaded', fields);
    else logs.debug('models', life.state, fields);
  }

  function ask(id: string, what: 'load' | 'unload'): void {
    const kept = models.get(id);
    if (kept) apply(kept, { kind: what });
  }

  function cancelLoad(id: string, reason: string): void {
    const kept = models.get(id);
    if (kept?.life.state === 'loading') kept.cancel?.abort(new Error(reason));
  }

  async function until(id: string, holds: (state: Life['state']) => boolean, signal: AbortSignal): Promise<void> {
    const kept = models.get(id);
    if (kept === undefined || holds(kept.life.state)) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = (): void => {
      if (holds(kept.life.state) || models.get(id) !== kept) resolve();
    };
    const abort = (): void => reject(signal.reason);
    kept.waiters.add(waiter);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      kept.waiters.delete(waiter);
      signal.removeEventListener('abort', abort);
    }
  }

  function rivals({ id, exclusiveGroup }: CatalogueEntry): Kept[] {
    if (exclusiveGroup === undefined) return [];
    const others = [...models.values()].filter(
      ({ entry }) => entry.exclusiveGroup === exclusiveGroup && entry.id !== id,
    );
    return others.filter(({ life }) => !isGone(life.state));
  }

  host.changes.addEventListener('change', lookAfterwards);

  return {
    get: (id) => models.get(id),
    all: () => models.values(),
    set(entry) {
      const key = host.keyOf({ model: entry.id, source: entry.source });
      const known = models.get(entry.id);
      const isSame = known?.key === key;
      if (known && !isSame) cancelLoad(entry.id, 'the model was replaced in the catalogue');
      const kept: Mutable =
        known && isSame
          ? Object.assign(known, { entry })
          : {
              ...{ entry, key, life: UNLOADED, since: new Date() },
              ...{ clock: undefined, coming: undefined, load: undefined },
              waiters: new Set(),
            };
      models.set(entry.id, kept);
      if (known) wake(known);
      lookAfterwards();
      return kept;
    },
    drop(id) {
      const kept = models.get(id);
      cancelLoad(id, 'the model was removed from the catalogue');
      models.delete(id);
      if (kept) wake(kept);
    },
    ...{ ask, cancelLoad, until, rivals },
    [Symbol.dispose]() {
      host.changes.removeEventListener('change', lookAfterwards);
      clearImmediate(lookSoon);
      for (const { cancel } of models.values()) cancel?.abort(new Error('the worker is stopping'));
    },
  };
}

const SIGHTS: Readonly<Record<LoadedModelInfo['state'], Sight>> = {
  fetching: 'coming',
  loading: 'coming',
  loaded: 'loaded',
  unloading: 'leaving',
};
/** Of several instances of one model the most useful one counts. */
const RANK: Readonly<Record<LoadedModelInfo['state'], number>> = { unloading: 0, fetching: 1, loading: 2, loaded: 3 };

export function isGone(state: Life['state']): boolean {
  return state === 'unloaded' || state === 'failed';
}
