// Thumbnails of finished jobs: which wait to be made, and which are kept. They are a courtesy: whatever goes wrong with
// one is a line in the log, and never the job's business.

import { linkSync } from 'node:fs';
import { copyFile, constants as fs, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPreviewProcess } from '../../workers/preview-process.ts';
import type { Preview } from './types.ts';

/** Upstream's size. A PNG of 384 pixels has some 200 KB. */
export const THUMBNAILS_KEPT = 100;
/** With more than these waiting the oldest is given up: who makes ten pictures a second does not look at each. */
export const WAITING_MAX = 8;
/** Larger results get none: writing a long video once more costs more than its first frame is worth. */
const RESULT_BYTES_MAX = 256 * 1024 ** 2;

export type PreviewsOptions = {
  /** A folder of its own, on the file system of the outbox. What an earlier process left in it is removed. */
  readonly dir: string;
  readonly modelsRoot: string;
  readonly made: (jobId: string) => void;
  /** One that was made is no longer kept. */
  readonly dropped: (jobId: string) => void;
  readonly failed: (jobId: string, why: string) => void;
};

export interface Previews extends AsyncDisposable {
  /** Returns at once; a file that is named may be removed as soon as it has. */
  want(jobId: string, preview: Preview): void;
  get(jobId: string): Uint8Array | undefined;
  /** The job runs once more: an earlier picture is not of what it will make. */
  forget(jobId: string): void;
  /** Resolves when none is being made. */
  idle(): Promise<void>;
}

type Wanted = { readonly jobId: string; readonly ext: string; readonly path: string; readonly ready: Promise<void> };

export async function openPreviews({ dir, modelsRoot, ...tell }: PreviewsOptions): Promise<Previews> {
  try {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch {
    // Each picture will say so; a worker without thumbnails is a good worker.
  }
  const child = openPreviewProcess({ scratchDir: dir, modelsRoot });
  const kept = new Map<string, Uint8Array>();
  const waiting: Wanted[] = [];
  let working: Promise<void> | undefined;
  let count = 0;
  let closed = false;

  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await make(next);
    working = undefined;
  }

  async function make({ jobId, ext, path, ready }: Wanted): Promise<void> {
    try {
      await ready;
      if ((await stat(path)).size > RESULT_BYTES_MAX) return;
      const png = await child.make(path, ext);
      keep(jobId, png);
    } catch (thrown) {
      if (!closed) tell.failed(jobId, thrown instanceof Error ? thrown.message : String(thrown));
    } finally {
      await remove(path);
    }
  }

  function keep(jobId: string, png: Uint8Array): void {
    kept.delete(jobId);
    kept.set(jobId, png);
    for (const oldest of kept.keys()) {
      if (kept.size <= THUMBNAILS_KEPT) break;
      kept.delete(oldest);
      tell.dropped(oldest);
    }
    tell.made(jobId);
  }

  return {
    want(jobId, preview) {
      if (closed || ('bytes' in preview && preview.bytes.byteLength > RESULT_BYTES_MAX)) return;
      count += 1;
      const path = join(dir, `result-${count}`);
      const ready = place(preview, path);
      // Whoever takes it from the queue hears of it.
      ready.catch(() => {});
      waiting.push({ jobId, ext: preview.ext, path, ready });
      if (waiting.length > WAITING_MAX) giveUp(waiting.shift());
      working ??= work();
    },
    get: (jobId) => kept.get(jobId),
    forget(jobId) {
      kept.delete(jobId);
      const at = waiting.findIndex((wanted) => wanted.jobId === jobId);
      if (at >= 0) giveUp(waiting.splice(at, 1)[0]);
    },
    async idle() {
      await working;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      waiting.length = 0;
      await child[Symbol.asyncDispose]();
      await working;
      await rm(dir, { recursive: true, force: true }).catch(() => {});
    },
  };
}

function giveUp(wanted: Wanted | undefined): void {
  if (wanted !== undefined) void wanted.ready.catch(() => {}).then(() => remove(wanted.path));
}

/** A second name for the file, so that its owner may remove the first. Where there are no such names, a copy, if it is in time. */
function place(preview: Preview, path: string): Promise<void> {
  if ('bytes' in preview) return writeFile(path, preview.bytes, { mode: 0o600 });
  try {
    linkSync(preview.path, path);
    return Promise.resolve();
  } catch {
    return copyFile(preview.path, path, fs.COPYFILE_FICLONE);
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {});
}
