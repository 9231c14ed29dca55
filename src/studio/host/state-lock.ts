// One studio for each state folder: two of them would each believe that the queue is theirs. The operating system drops
// the lock with the process, however that ends.
import { open } from 'node:fs/promises';
import path from 'node:path';
import { tryLock } from 'fs-native-extensions';

export async function takeStateLock(stateDir: string): Promise<AsyncDisposable> {
  const handle = await open(path.join(stateDir, 'studio.lock'), 'a', 0o600);
  if (!tryLock(handle.fd)) {
    await handle.close();
    throw new Error(`another studio is running on ${stateDir}`);
  }
  return { [Symbol.asyncDispose]: () => handle.close() };
}
