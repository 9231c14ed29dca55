// A download that is under way, as it lies on disk: `<file>.part`, and beside it `<file>.part.json`, which says of which
// version of the remote file it is the beginning. Both survive a kill; the next download goes on where this one ended.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hashStart } from './digest.ts';

/** Written at a time. Large writes are what makes a fast disk fast; two of these are in memory at most. */
const BATCH_BYTES = 1024 * 1024;

/** The version of the remote file, as its server names it. */
export type Version = {
  readonly url: string;
  readonly etag?: string;
  readonly lastModified?: string;
  /** Length of the whole file, when the server said it. */
  readonly total?: number;
};

export type Part = AsyncDisposable & {
  /** Bytes that are there, those in memory included. */
  readonly size: number;
  readonly version: Version | undefined;
  /** From the first byte again, of the given version. */
  restart(version: Version): Promise<void>;
  append(chunk: Uint8Array): Promise<void>;
  /** Waits until all that was appended is in the file. */
  flush(): Promise<void>;
  /** Makes it the file at `target`, which replaces what is there. */
  finish(target: string): Promise<void>;
  /** Leaves nothing of it. */
  remove(): Promise<void>;
  /** Of what is there. Can be asked once. */
  digest(): string;
};

export async function openPart(path: string, signal: AbortSignal, hashed: (bytes: number) => void): Promise<Part> {
  const notes = `${path}.json`;
  const handle = await open(path, 'a+');
  let version = await readVersion(notes);
  let size = (await handle.stat()).size;
  let hash: Hash;
  let batch: Uint8Array[] = [];
  let batched = 0;
  let writing: Promise<unknown> = Promise.resolve();

  async function clear(): Promise<void> {
    batch = [];
    batched = 0;
    await writing;
    await handle.truncate(0);
    size = 0;
    hash = createHash('sha256');
  }

  /** One write is under way while the next batch is being received and hashed. */
  async function write(): Promise<void> {
    await writing;
    const chunks = batch;
    batch = [];
    batched = 0;
    // Rejections are met by whoever writes or flushes next; that always happens.
    writing = writeAll(handle, chunks);
    writing.catch(() => {});
  }

  async function flush(): Promise<void> {
    if (batched > 0) await write();
    await writing;
  }

  try {
    if (size > 0 && version === undefined) await clear();
    hash = await hashStart(path, size, signal, hashed);
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }

  return {
    get size() {
      return size;
    },
    get version() {
      return version;
    },
    async restart(next) {
      await clear();
      version = next;
      await writeFile(notes, JSON.stringify(next));
    },
    async append(chunk) {
      hash.update(chunk);
      batch.push(chunk);
      batched += chunk.byteLength;
      size += chunk.byteLength;
      if (batched >= BATCH_BYTES) await write();
    },
    flush,
    async finish(target) {
      await flush();
      // Otherwise a power cut could leave the name of a complete file on half of one.
      await handle.sync();
      await handle.close();
      await rename(path, target);
      await rm(notes, { force: true });
    },
    async remove() {
      await handle.close();
      await rm(path, { force: true });
      await rm(notes, { force: true });
    },
    digest: () => hash.digest('hex'),
    async [Symbol.asyncDispose]() {
      await flush().catch(() => {});
      await handle.close();
    },
  };
}

async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = [...chunks];
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest);
    rest = after(rest, bytesWritten);
  }
}

/** What a short write (a disk that is filling up) left. */
function after(chunks: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) rest.push(chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.byteLength);
  }
  return rest;
}

async function readVersion(path: string): Promise<Version | undefined> {
  try {
    const version = JSON.parse(await readFile(path, 'utf8')) as Version;
    return typeof version.url === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
