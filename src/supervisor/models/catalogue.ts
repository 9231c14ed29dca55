// The catalogue of models on this machine: `models.json`, the seeds, and what studios have offered. It knows entries, and
// nothing of whether one is loaded.
import type { JobClaim } from '../../protocol/index.ts';
import type { Logs } from '../logs/logs.ts';
import { type CatalogueText, catalogueText, entryOf, parseCatalogue, parseEntry } from './entry.ts';
import { openKeptFile, readKeptText } from './kept-file.ts';
import { SEEDS } from './seeds.ts';
import { type CatalogueEntry, ModelError } from './types.ts';

/** A studio may offer another model with every job; the ones that were met longest ago go first. */
const STUDIO_ENTRIES_MAX = 100;
/** A studio names up to 64 files; one whose source is larger than this in all is not mirrored. In characters. */
const STUDIO_SOURCE_CHARS_MAX = 65_536;
/** Offers come in bursts, and losing the last of them to a crash costs nothing. In ms. */
const LEARNT_SAVE_MS = 2_000;

export interface Catalogue extends AsyncDisposable {
  list(): readonly CatalogueEntry[];
  get(id: string): CatalogueEntry | undefined;
  /** Rejects with `bad_model` or `catalogue_not_saved`; nothing has changed then. */
  put(value: unknown): Promise<CatalogueEntry>;
  /** False when there is no such entry. A seed does not come back. */
  remove(id: string): Promise<boolean>;
  /** Undefined when the offer changes nothing here. `gone`: entries that had to make room. */
  learn(claim: JobClaim): { readonly entry: CatalogueEntry; readonly gone: readonly string[] } | undefined;
}

export type CatalogueOptions = {
  readonly path: string;
  readonly logs: Pick<Logs, 'info' | 'warn' | 'error' | 'debug'>;
  /** Entries of studios that must stay, whatever their number. */
  readonly inUse?: (id: string) => boolean;
};

/** As a start of the worker would find it, without changing anything. Rejects when the file cannot be read or makes no sense. */
export async function readCatalogue(path: string): Promise<readonly CatalogueEntry[]> {
  const text = await readKeptText(path);
  return withSeeds(text === undefined ? { models: [], dismissedSeeds: [] } : parseCatalogue(text));
}

function withSeeds({ models, dismissedSeeds }: CatalogueText): CatalogueEntry[] {
  const known = new Set([...models.map(({ id }) => id), ...dismissedSeeds]);
  return [...models, ...SEEDS.filter(({ id }) => !known.has(id))];
}

export async function openCatalogue({ path, logs, inUse = () => false }: CatalogueOptions): Promise<Catalogue> {
  const file = await openKeptFile({ path, target: 'models', parse: parseCatalogue, logs });
  const found = file.found ?? { models: [], dismissedSeeds: [] };
  let dismissed = found.dismissedSeeds;
  let entries = new Map(withSeeds(found).map((model) => [model.id, model]));
  /** Ids of what studios offered, the one that was met longest ago first. */
  const met = new Set(found.models.filter(({ origin }) => origin === 'studio').map(({ id }) => id));
  let turn: Promise<unknown> = Promise.resolve();
  let learntTimer: NodeJS.Timeout | undefined;

  if (entries.size > found.models.length) await save(current()).catch(tellUnsaved);

  function current(): CatalogueText {
    return { models: [...entries.values()], dismissedSeeds: dismissed };
  }

  async function save(next: CatalogueText): Promise<void> {
    try {
      await file.write(catalogueText(next));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ModelError('catalogue_not_saved', 500, why, { cause });
    }
  }

  function tellUnsaved(thrown: unknown): void {
    logs.warn('models', 'the catalogue could not be saved', { path, why: (thrown as Error).message });
  }

  /** One at a time, in the order of the calls. What is written before it counts is made of what counts by then. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  }

  function saveLearntSoon(): void {
    learntTimer ??= setTimeout(saveLearnt, LEARNT_SAVE_MS);
  }

  function saveLearnt(): Promise<void> {
    clearTimeout(learntTimer);
    learntTimer = undefined;
    return inTurn(() => save(current())).catch(tellUnsaved);
  }

  function surplus(): string[] {
    const learnt = [...met].filter((id) => entries.get(id)?.origin === 'studio' && !inUse(id));
    return learnt.slice(0, Math.max(0, learnt.length - STUDIO_ENTRIES_MAX));
  }

  return {
    list: () => [...entries.values()],
    get: (id) => entries.get(id),
    async put(value) {
      const entry = parseEntry(value, (id) => entries.has(id));
      return inTurn(async () => {
        // A seed that somebody adds again is no longer dismissed.
        const wanted = dismissed.filter((id) => id !== entry.id);
        await save({ models: [...new Map(entries).set(entry.id, entry).values()], dismissedSeeds: wanted });
        entries = new Map(entries).set(entry.id, entry);
        dismissed = wanted;
        return entry;
      });
    },
    remove: (id) =>
      inTurn(async () => {
        if (!entries.has(id)) return false;
        const isSeed = SEEDS.some((seed) => seed.id === id);
        const unwanted = isSeed && !dismissed.includes(id) ? [...dismissed, id] : dismissed;
        const models = [...entries.values()].filter((model) => model.id !== id);
        await save({ models, dismissedSeeds: unwanted });
        entries = new Map(entries);
        entries.delete(id);
        dismissed = unwanted;
        return true;
      }),
    learn(claim) {
      const offered = entryOf(claim);
      if (offered === undefined || JSON.stringify(offered.source).length > STUDIO_SOURCE_CHARS_MAX) return undefined;
      const known = entries.get(offered.id);
      if (known?.origin === 'local') return undefined;
      const entry = known === undefined ? offered : { ...known, kind: offered.kind, source: offered.source };
      met.delete(entry.id);
      met.add(entry.id);
      if (JSON.stringify(known) === JSON.stringify(entry)) return undefined;
      entries = new Map(entries).set(entry.id, entry);
      const gone = surplus();
      for (const id of gone) {
        entries.delete(id);
        met.delete(id);
      }
      saveLearntSoon();
      return { entry, gone };
    },
    async [Symbol.asyncDispose]() {
      if (learntTimer !== undefined) await saveLearnt();
      await turn;
    },
  };
}
