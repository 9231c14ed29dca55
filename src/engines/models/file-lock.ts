// One process and thread at a time, for each file. The operating system holds the lock and drops it with its holder,
// however that ends, so a killed download leaves nothing that would keep the next one out.
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';

/** How often a held lock is tried again, in ms. Its holder usually works for minutes. */
const TRY_EVERY_MS = 100;

export type LockWait = {
  readonly signal: AbortSignal;
  /** Called before each further try, the first time with 1. */
  waiting?(tries: number): void;
};

/** The lock file lies beside the file and goes with the lock. Rejects with the signal's reason. */
export async function takeFileLock(path: string, { signal, waiting }: LockWait): Promise<AsyncDisposable> {
  const lockPath = `${path}.lock`;
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    const handle = await open(lockPath, 'a', 0o600);
    const taken = await lockNow(handle, lockPath);
    if (taken === 'taken') return release(handle, lockPath);
    await handle.close();
    if (taken === 'stale') continue;
    waiting?.(tries);
    await sleep(TRY_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** `stale`: its last holder removed the file between our two calls; whoever comes next would lock another one. */
async function lockNow(handle: FileHandle, lockPath: string): Promise<'taken' | 'held' | 'stale'> {
  try {
    if (!tryLock(handle.fd)) return 'held';
    return (await isAt(handle, lockPath)) ? 'taken' : 'stale';
  } catch (thrown) {
    // A file system without locks.
    await handle.close();
    throw thrown;
  }
}

function release(handle: FileHandle, lockPath: string): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      // Before the lock is given back, so that nobody's new lock file is removed. Windows refuses, and the file stays.
      await rm(lockPath, { force: true }).catch(() => {});
      await handle.close();
    },
  };
}

async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const [held, there] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)]);
  return there !== undefined && there.ino === held.ino && there.dev === held.dev;
}
