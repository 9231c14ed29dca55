// A folder of a test's own, gone when the test ends.
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export type TempDir = AsyncDisposable & { readonly path: string; file(name: string): string };

export async function tempDir(): Promise<TempDir> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'studio-worker-test-'));
  return {
    path: dir,
    file: (name) => path.join(dir, name),
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true, force: true });
    },
  };
}
