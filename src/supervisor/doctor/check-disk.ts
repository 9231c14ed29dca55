// Room and rights where the worker writes. Creates nothing: a folder that is not there yet is judged by its nearest parent.
import { access, constants, statfs } from 'node:fs/promises';
import path from 'node:path';
import { adviceFor, codeOf } from '../config/write-file.ts';

export type DiskCheck = {
  /** The key or word for the folder, e.g. `models_root`. */
  readonly what: string;
  readonly path: string;
  readonly exists: boolean;
  readonly freeGb?: number;
  /** Why the worker could not write there. */
  readonly problem?: string;
};

export async function checkDisk(what: string, folder: string): Promise<DiskCheck> {
  const nearest = await nearestExisting(folder);
  const exists = nearest === folder;
  try {
    await access(nearest, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(nearest);
    return { what, path: folder, exists, freeGb: Math.round(((bavail * bsize) / 1024 ** 3) * 10) / 10 };
  } catch (thrown) {
    const code = codeOf(thrown);
    return { what, path: folder, exists, problem: `cannot be written (${code}). ${adviceFor(code)}` };
  }
}

async function nearestExisting(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const there = await access(at).then(
      () => true,
      // What may not be looked into is there, and is the answer.
      (thrown) => codeOf(thrown) === 'EACCES',
    );
    if (there || path.dirname(at) === at) return at;
  }
}
