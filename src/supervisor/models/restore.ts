// Loads the resident models after a start, in catalogue order. One that cannot be loaded keeps nobody else from it, and
// stays resident: what it lacks may be there at the next start.
import type { Logs } from '../logs/logs.ts';
import type { Keeper } from './keeper.ts';
import type { CatalogueEntry } from './types.ts';

export type RestoreOptions = {
  readonly entries: readonly CatalogueEntry[];
  readonly keeper: Pick<Keeper, 'ask' | 'get' | 'until'>;
  readonly logs: Pick<Logs, 'info'>;
  readonly signal: AbortSignal;
};

/** Resolves when each of them is loaded, has failed, or fetches its files; never rejects. */
export async function restoreResident({ entries, keeper, logs, signal }: RestoreOptions): Promise<void> {
  if (entries.length === 0) return;
  logs.info('models', 'loading the resident models', { models: entries.map(({ id }) => id).join(',') });
  for (const { id } of entries) {
    keeper.ask(id, 'load');
    // A download of hours is no reason to leave the next one, whose files are here, unloaded.
    const moves = (state: string): boolean => state !== 'loading' || keeper.get(id)?.clock?.phase === 'fetching';
    await keeper.until(id, moves, signal).catch(() => {});
    if (signal.aborted) return;
  }
}

/** An engine that dies of its model would die of it again and again. */
const RELOADS_MAX = 3;
const RELOADS_WITHIN_MS = 600_000;

export type Reloads = { allows(id: string): boolean };

/** Says whether a resident model whose engine has died is loaded again at once. Otherwise the next request loads it. */
export function openReloads(logs: Pick<Logs, 'warn'>, now: () => number = () => performance.now()): Reloads {
  const times = new Map<string, number[]>();
  return {
    allows(id) {
      const recent = (times.get(id) ?? []).filter((atMs) => now() - atMs < RELOADS_WITHIN_MS);
      const allowed = recent.length < RELOADS_MAX;
      if (allowed) recent.push(now());
      times.set(id, recent);
      const message = allowed ? 'a resident model has died and is loaded again' : 'a resident model dies too often';
      logs.warn('models', message, { model: id, times: recent.length });
      return allowed;
    },
  };
}
