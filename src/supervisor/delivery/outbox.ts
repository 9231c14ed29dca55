// Finished results on disk, until the studio has acknowledged them. A result is here before anyone says "done", so a
// crash, a restart or a studio that is away loses nothing that was finished. One entry is `<name>.json` (what it is, and
// the value of a JSON result) and, for binary results, `<name>.bin`. The `.json` is written last and renamed into
// place: an entry exists whole or not at all.
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { Failure, TaskKind } from '../../protocol/index.ts';
import { folderError } from '../config/write-file.ts';

const OutboxRecord = z.object({
  version: z.literal(1),
  jobId: z.string(),
  /** Of the claim that this result answers (jobs/claim-digest.ts). */
  digest: z.string(),
  kind: TaskKind,
  model: z.string(),
  prompt: z.string(),
  finishedAtMs: z.number(),
  result: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('json'), value: z.unknown() }),
    z.object({ kind: z.literal('bytes'), ext: z.string(), byteLength: z.number().int().min(0) }),
  ]),
});
export type OutboxRecord = z.infer<typeof OutboxRecord>;
export type OutboxMeta = Omit<OutboxRecord, 'version' | 'result'>;

export type OutboxEntry = OutboxRecord & {
  /** Where the bytes of a binary result are. */
  readonly path: string;
};

/** Takes a binary result piece by piece. */
export interface ResultWriter {
  /** Rejects with `OUTBOX_UNWRITABLE`. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the result an entry. Rejects with `OUTBOX_UNWRITABLE`; the bytes are then gone. */
  commit(meta: OutboxMeta, ext: string): Promise<OutboxEntry>;
  /** Forgets what was written. Never rejects; harmless after `commit`. */
  discard(): Promise<void>;
}

type Warn = (message: string, fields: Record<string, unknown>) => void;

export interface Outbox {
  entries(): readonly OutboxEntry[];
  get(jobId: string): OutboxEntry | undefined;
  writer(jobId: string): ResultWriter;
  /** Rejects with `OUTBOX_UNWRITABLE`. */
  putJson(meta: OutboxMeta, value: unknown): Promise<OutboxEntry>;
  /** Never rejects: an entry that cannot be removed is delivered once more, and refused by the studio. */
  remove(jobId: string): Promise<void>;
}

/** Opens the folder, drops what a crash left half-written, and reads what is still to be delivered. */
export async function openOutbox(dir: string, warn: Warn): Promise<Outbox> {
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw folderError(dir, cause);
  });
  const entries = await readEntries(dir, warn);
  // A job that is offered again gets the same file names, so what comes next has to wait for the old files to go.
  const removals = new Map<string, Promise<void>>();

  const putRecord = async (record: OutboxRecord): Promise<OutboxEntry> => {
    await removals.get(record.jobId);
    const base = join(dir, fileName(record.jobId));
    await writeDurably(`${base}.json`, JSON.stringify(record)).catch((cause) => {
      throw unwritable(dir, cause);
    });
    const entry = { ...record, path: `${base}.bin` };
    entries.set(record.jobId, entry);
    return entry;
  };

  return {
    entries: () => [...entries.values()],
    get: (jobId) => entries.get(jobId),
    putJson: (meta, value) => putRecord({ version: 1, ...meta, result: { kind: 'json', value } }),
    writer: (jobId) => openWriter(dir, jobId, () => removals.get(jobId), putRecord),
    remove: async (jobId) => {
      entries.delete(jobId);
      const removal = (removals.get(jobId) ?? Promise.resolve()).then(() => removeFiles(dir, jobId, warn));
      removals.set(jobId, removal);
      await removal;
      if (removals.get(jobId) === removal) removals.delete(jobId);
    },
  };
}

async function removeFiles(dir: string, jobId: string, warn: Warn): Promise<void> {
  const base = join(dir, fileName(jobId));
  // The record goes first: without it the bytes are litter that the next start sweeps up.
  for (const path of [`${base}.json`, `${base}.bin`]) {
    await rm(path, { force: true }).catch((err) => warn('a delivered result could not be removed', { path, err }));
  }
}

function openWriter(
  dir: string,
  jobId: string,
  removal: () => Promise<void> | undefined,
  putRecord: (record: OutboxRecord) => Promise<OutboxEntry>,
): ResultWriter {
  const base = join(dir, fileName(jobId));
  const part = `${base}.part`;
  let handle: FileHandle | undefined;
  let byteLength = 0;
  /** Committed, failed or discarded: a chunk that comes late must not begin a new file. */
  let over = false;

  const opened = async (): Promise<FileHandle> => {
    handle ??= await open(part, 'w', 0o600);
    return handle;
  };
  const discard = async (): Promise<void> => {
    over = true;
    const open = handle;
    handle = undefined;
    await open?.close().catch(() => {});
    await rm(part, { force: true }).catch(() => {});
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      if (over) throw new Failure('OUTBOX_UNWRITABLE', 'the result was given up');
      return await work();
    } catch (cause) {
      await discard();
      throw cause instanceof Failure ? cause : unwritable(dir, cause);
    }
  };

  return {
    write: (chunk) =>
      guarded(async () => {
        const file = await opened();
        for (let offset = 0; offset < chunk.byteLength; ) {
          offset += (await file.write(chunk, offset)).bytesWritten;
        }
        byteLength += chunk.byteLength;
      }),
    commit: (meta, ext) =>
      guarded(async () => {
        const file = await opened();
        await file.datasync();
        await file.close();
        handle = undefined;
        await removal();
        await rename(part, `${base}.bin`);
        over = true;
        try {
          return await putRecord({ version: 1, ...meta, result: { kind: 'bytes', ext, byteLength } });
        } catch (error) {
          await rm(`${base}.bin`, { force: true }).catch(() => {});
          throw error;
        }
      }),
    discard,
  };
}

async function readEntries(dir: string, warn: Warn): Promise<Map<string, OutboxEntry>> {
  const entries = new Map<string, OutboxEntry>();
  const kept = new Set<string>();
  const names = await readdir(dir);
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const path = join(dir, name);
    const bytesPath = path.replace(/json$/, 'bin');
    try {
      const record = OutboxRecord.parse(JSON.parse(await readFile(path, 'utf8')));
      if (name !== `${fileName(record.jobId)}.json`) throw new Error('the file does not have the name of its job');
      if (record.result.kind === 'bytes') await assertSize(bytesPath, record.result.byteLength);
      entries.set(record.jobId, { ...record, path: bytesPath });
      kept.add(basename(bytesPath));
    } catch (err) {
      // Kept aside, not deleted: somebody's finished work may still be in it.
      warn('an outbox record cannot be read and was set aside', { path, err });
      for (const each of [path, bytesPath]) await rename(each, `${each}.corrupt`).catch(() => {});
    }
  }
  for (const name of names.filter((each) => /\.(part|bin|tmp)$/.test(each) && !kept.has(each))) {
    await rm(join(dir, name), { force: true });
  }
  return entries;
}

/** After a power cut a file may be shorter than what was written to it. */
async function assertSize(path: string, byteLength: number): Promise<void> {
  const { size } = await stat(path);
  if (size !== byteLength) throw new Error(`${path} has ${size} bytes, its record says ${byteLength}`);
}

/** A readable name that no job id can turn into a path, and that differs also where file names ignore case. */
function fileName(jobId: string): string {
  const readable = jobId.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 48);
  return `${readable}-${createHash('sha256').update(jobId).digest('hex').slice(0, 16)}`;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

function unwritable(dir: string, cause: unknown): Failure {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const hint = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : 'the folder cannot be written';
  return new Failure('OUTBOX_UNWRITABLE', `the result could not be kept in ${dir}: ${hint}`, { cause });
}
