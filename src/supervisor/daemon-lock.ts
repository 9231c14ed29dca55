// One worker for each config folder. The operating system holds the lock and drops it with the process, however that
// ends, so there is no stale lock to clean up.
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { folderError } from './config/write-file.ts';

// 2 s in all: a worker that restarts itself must outlive the end of its predecessor.
const TRIES = 10;
const TRY_EVERY_MS = 200;

/** Undefined when another worker holds it, after ten tries in two seconds. Disposing releases it; the file stays. */
export async function takeDaemonLock(dir: string): Promise<AsyncDisposable | undefined> {
  try {
    return await take(dir);
  } catch (cause) {
    throw folderError(dir, cause);
  }
}

async function take(dir: string): Promise<AsyncDisposable | undefined> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const pidFile = path.join(dir, 'daemon.pid');
  const handle = await open(path.join(dir, 'daemon.lock'), 'a', 0o600);
  try {
    for (let attempt = 1; !tryLock(handle.fd); attempt += 1) {
      if (attempt === TRIES) {
        await handle.close();
        return undefined;
      }
      await sleep(TRY_EVERY_MS);
    }
    // Beside the lock and not in it: Windows lets nobody else read a locked file.
    await writeFile(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(pidFile, { force: true });
      await handle.close();
    },
  };
}

/** The pid of the worker that runs on this folder, undefined when none does. Creates nothing. */
export async function readRunningPid(dir: string): Promise<number | undefined> {
  if (!(await isHeld(path.join(dir, 'daemon.lock')))) return undefined;
  const text = await readFile(path.join(dir, 'daemon.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

/** A shared lock is granted unless somebody holds the exclusive one, and is given back at once. */
async function isHeld(lockFile: string): Promise<boolean> {
  const handle = await open(lockFile, 'r').catch(() => undefined);
  if (handle === undefined) return false;
  try {
    return !tryLock(handle.fd, { shared: true });
  } finally {
    await handle.close();
  }
}
