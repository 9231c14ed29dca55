// One writer of a config at a time. The worker saves its token and an operator types `set-threshold` in another process;
// each reads, edits and replaces the file, and without a lock the later one would undo the earlier one.
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { ConfigError } from './parse.ts';
import { adviceFor, codeOf } from './write-file.ts';

// An edit takes a few ms; 5 s of waiting means that its process hangs.
const TRIES = 200;
const TRY_EVERY_MS = 25;

/** The lock belongs to an open file, so it ends with this value or with the process. The empty `.lock` file stays. */
export async function takeWriteLock(file: string): Promise<AsyncDisposable> {
  const handle = await openLockFile(file);
  try {
    for (let attempt = 1; !tryLock(handle.fd); attempt += 1) {
      if (attempt === TRIES) throw new ConfigError('CONFIG_UNWRITABLE', `another process is busy writing ${file}`);
      await sleep(TRY_EVERY_MS);
    }
    return handle;
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

async function openLockFile(file: string): Promise<FileHandle> {
  const dir = path.dirname(file);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return await open(path.join(dir, `.${path.basename(file)}.lock`), 'a', 0o600);
  } catch (thrown) {
    throw new ConfigError(
      'CONFIG_UNWRITABLE',
      `cannot write in the folder ${dir} (${codeOf(thrown)}). ${adviceFor(codeOf(thrown))}`,
      { cause: thrown },
    );
  }
}
