// One process at a time changes an installation: the worker's own updater, `studio-worker update`, another worker that
// runs from the same installation, or the installer. The operating system drops the lock with the process.
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import type { Layout } from './layout.ts';
import { programOf } from './layout.ts';
import { installError, UpdateError } from './update-error.ts';

const TRY_EVERY_MS = 100;

/** Rejects with `UPDATE_UNDER_WAY` when somebody else has it for longer than `waitMs`. */
export async function takeInstallLock(
  { root, lock }: Layout,
  waitMs = 0,
  signal?: AbortSignal,
): Promise<AsyncDisposable> {
  let handle: FileHandle;
  try {
    await mkdir(root, { recursive: true, mode: 0o755 });
    handle = await open(lock, 'a', 0o644);
  } catch (thrown) {
    throw installError(root, thrown);
  }
  const until = performance.now() + waitMs;
  try {
    while (!tryLock(handle.fd)) {
      if (performance.now() >= until) {
        throw new UpdateError(
          'UPDATE_UNDER_WAY',
          `another process is updating ${root}: wait for it, or end it when it hangs`,
        );
      }
      await sleep(TRY_EVERY_MS, undefined, { signal });
    }
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
  return handle;
}

/** Held by each process that runs from a version's folder, so that nobody cleans it away below its feet. */
export async function holdVersion(folder: string): Promise<AsyncDisposable | undefined> {
  const handle = await open(programOf(folder).inUse, 'a+', 0o644).catch(() => undefined);
  if (handle === undefined) return undefined;
  if (tryLock(handle.fd, { shared: true })) return handle;
  await handle.close();
  return undefined;
}

export async function isVersionInUse(folder: string): Promise<boolean> {
  const handle = await open(path.join(programOf(folder).inUse), 'r+').catch(() => undefined);
  if (handle === undefined) return false;
  try {
    return !tryLock(handle.fd);
  } finally {
    await handle.close();
  }
}
