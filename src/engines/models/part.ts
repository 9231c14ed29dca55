// A download that is under way, as it lies on disk: `<file>.part`, and beside it `<file>.part.json`, which says of which
// version of the remote file it is the beginning. Both survive a kill; the next download goes on where this one ended.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hashStart } from './digest.ts';

/**
 * Hashed and written at a time. A few buffers of this size take turns: received pieces are copied into them and can be
 * forgotten at once, which is what keeps memory flat at any speed.
 */
const BATCH_BYTES = 1024 * 1024;
/** Writes that may wait for the disk before the sender has to. */
const PENDING_MAX = 2;

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
  /** Copies the chunk. A promise means that the disk is behind: wait for it before the next one. */
  append(chunk: Uint8Array): Promise<void> | undefined;
  /** Waits until all that was appended is in the file. */
  flush(): Promise<void>;
  /** Makes it the file at `target`, which replaces what is there. */
  finish(target: string): Promise<void>;
  /** Leaves nothing of it. */
  remove(): Promise<void>;
  /** Of what is there, once it is flushed. Can be asked once. */
  digest(): string;
};

export async function openPart(path: string, signal: AbortSignal, hashed: (bytes: number) => void): Promise<Part> {
  const notes = `${path}.json`;
  const handle = await open(path, 'a+');
  let version = await readVersion(notes);
  let size = (await handle.stat()).size;
  let hash: Hash;
  let filling = Buffer.allocUnsafeSlow(BATCH_BYTES);
  let filled = 0;
  let pending = 0;
  let writing = Promise.resolve();
  const free: Buffer<ArrayBuffer>[] = [];

  async function clear(): Promise<void> {
    filled = 0;
    await writing;
    await handle.truncate(0);
    size = 0;
    hash = createHash('sha256');
  }

  /** Writes are under way while the next batch is being received and hashed. */
  function write(): void {
    const buffer = filling;
    const bytes = buffer.subarray(0, filled);
    hash.update(bytes);
    filling = free.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    filled = 0;
    pending += 1;
    writing = writing.then(async () => {
      await writeAll(handle, bytes);
      pending -= 1;
      free.push(buffer);
    });
    // Met by whoever appends too much or flushes next; that always happens.
    writing.catch(() => {});
  }

  async function flush(): Promise<void> {
    if (filled > 0) write();
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
    append(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        const bytes = Math.min(chunk.byteLength - at, BATCH_BYTES - filled);
        filling.set(chunk.subarray(at, at + bytes), filled);
        at += bytes;
        filled += bytes;
        size += bytes;
        if (filled === BATCH_BYTES) write();
      }
      return pending > PENDING_MAX ? writing : undefined;
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

/** A disk that is filling up writes less than it was asked to, before it fails. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) at += (await handle.write(bytes, at)).bytesWritten;
}

async function readVersion(path: string): Promise<Version | undefined> {
  try {
    const version = JSON.parse(await readFile(path, 'utf8')) as Version;
    return typeof version.url === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
