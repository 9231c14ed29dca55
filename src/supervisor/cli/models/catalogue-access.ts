// The catalogue for commands: that of the running worker through its local API, or without one the file, which the worker
// reads at its next start.
import path from 'node:path';
import { siblingPaths } from '../../config/paths.ts';
import { takeWriteLock } from '../../config/write-lock.ts';
import { type Catalogue, openCatalogue, readCatalogue } from '../../models/catalogue.ts';
import { parseEntry } from '../../models/entry.ts';
import { readKeptText } from '../../models/kept-file.ts';
import { parseResidency } from '../../models/residency.ts';
import type { CatalogueEntry, ModelView } from '../../models/types.ts';
import { warn } from '../command.ts';
import { findWorker, type WorkerClient, WorkerRefusal } from '../worker-client.ts';

/** `state` and the like only while a worker runs. */
export type ListedModel = CatalogueEntry & { readonly resident: boolean } & Partial<ModelView>;

export interface CatalogueAccess {
  list(): Promise<readonly ListedModel[]>;
  put(entry: unknown): Promise<void>;
  /** False when there is no such model. */
  remove(id: string): Promise<boolean>;
}

export async function openCatalogueAccess(configPath: string): Promise<CatalogueAccess> {
  const worker = await findWorker(configPath);
  return worker ? throughWorker(worker) : throughFiles(path.resolve(configPath));
}

/** Removing unloads first, and jobs that run get their time to end. */
const REMOVE_MS_MAX = 60_000;

function throughWorker(worker: WorkerClient): CatalogueAccess {
  return {
    list: () => worker.json<ModelView[]>('/models'),
    put: async (entry) => void (await worker.json('/models', { method: 'POST', body: entry })),
    async remove(id) {
      try {
        await worker.json(pathOf(id), { method: 'DELETE', timeoutMs: REMOVE_MS_MAX });
        return true;
      } catch (thrown) {
        if (thrown instanceof WorkerRefusal && thrown.status === 404) return false;
        throw thrown;
      }
    },
  };
}

/** Ids go into paths as they are; what would change on the way there is not an id that can be asked for. */
export function pathOf(id: string, action = ''): string {
  if (/^[A-Za-z0-9._:~@+-]+$/.test(id)) return `/models/${id}${action}`;
  throw new Error(
    `the running worker cannot be asked about \`${id}\`: the id has characters that do not fit into a path`,
  );
}

function throughFiles(configPath: string): CatalogueAccess {
  const paths = siblingPaths(configPath);
  return {
    async list() {
      const [entries, resident] = await Promise.all([readCatalogue(paths.models), readResident(paths.residency)]);
      return entries.map((entry) => ({ ...entry, resident: resident.includes(entry.id) }));
    },
    put: (entry) =>
      changing(paths.models, async (open, known) => {
        // Before the file is made for it.
        parseEntry(entry, (id) => known.some((model) => model.id === id));
        await using catalogue = await open();
        await catalogue.put(entry);
      }),
    remove: (id) =>
      changing(paths.models, async (open, known) => {
        if (!known.some((model) => model.id === id)) return false;
        await using catalogue = await open();
        return await catalogue.remove(id);
      }),
  };
}

async function readResident(file: string): Promise<string[]> {
  try {
    return parseResidency((await readKeptText(file)) ?? '{"version":1,"resident":[]}');
  } catch (thrown) {
    warn(`${file} makes no sense: ${(thrown as Error).message}`);
    return [];
  }
}

type Change<T> = (open: () => Promise<Catalogue>, known: readonly CatalogueEntry[]) => Promise<T>;

/** Two commands at a time must not undo each other's change. A worker that runs is asked instead, so it is no third one. */
async function changing<T>(file: string, change: Change<T>): Promise<T> {
  await using _lock = await takeWriteLock(file);
  // What cannot be read is refused here: the command would otherwise do nothing and say that it did.
  const known = await readCatalogue(file);
  const logs = { debug() {}, info() {}, warn() {}, error() {} };
  return await change(() => openCatalogue({ path: file, logs }), known);
}
