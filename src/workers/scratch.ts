// Temporary folders: made when an engine first asks for one, so that a job without temporary files costs no disk work,
// and readable by this user alone, since prompts and inputs may lie in them.
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PRIVATE = { recursive: true, mode: 0o700 } as const;

export type LazyFolder = AsyncDisposable & { readonly path: string };

export function lazyFolder(path: string): LazyFolder {
  let made = false;
  return {
    get path() {
      if (!made) mkdirSync(path, PRIVATE);
      made = true;
      return path;
    },
    async [Symbol.asyncDispose]() {
      if (made) await removeFolder(path);
    },
  };
}

/** A folder that an engine still writes into (Windows: still has open) is tried a few times. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Makes the parent of all temporary folders and removes what an earlier process left in it. */
export async function openScratchRoot(root: string): Promise<void> {
  await mkdir(root, PRIVATE);
  await clearScratchRoot(root);
}

export async function clearScratchRoot(root: string): Promise<void> {
  const names = await readdir(root).catch(() => []);
  await Promise.all(names.map((name) => removeFolder(join(root, name))));
}
