// The store across processes: a download that is killed, and several that want the same file.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ModelFile } from '../../../src/protocol/index.ts';
import { fileServer } from './file-server.ts';
import { MIB, randomFile, sha256, storeRig } from './store-rig.ts';

const PROGRAM = fileURLToPath(new URL('../../../fixtures/engines/fetch-files.ts', import.meta.url));

function fetchInProcess(root: string, file: ModelFile): { child: ChildProcess; output: Promise<string> } {
  const child = spawn(process.execPath, [PROGRAM, root, JSON.stringify(file)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  return { child, output: once(child, 'close').then(() => text) };
}

test('what a killed download left is gone on with: what was on disk is not fetched again', async () => {
  const data = randomFile(5 * MIB);
  await using server = await fileServer(data);
  await using rig = await storeRig();
  await mkdir(rig.folder);
  const file = { role: 'model', url: server.base, filename: 'm.bin', sha256: sha256(data) };
  server.next({ stallAfter: 3 * MIB });
  const grown = sizeReaches(rig.folder, 'm.bin.part', 3 * MIB);
  const { child } = fetchInProcess(rig.root, file);
  await grown;
  child.kill('SIGKILL');
  await once(child, 'close');
  await rig.ensure([file]);
  assert.equal(server.asked[1]?.headers.range, `bytes=${3 * MIB}-`);
  assert.ok(data.equals(await rig.read('m.bin')));
  assert.deepEqual(await rig.names(), ['m.bin', 'manifest.json']);
});

test('a file that several jobs and processes want is downloaded once', async () => {
  const data = randomFile(2 * MIB);
  await using server = await fileServer(data);
  await using rig = await storeRig();
  const file = { role: 'model', url: server.base, filename: 'm.bin', sha256: sha256(data) };
  const here = [rig.ensure([file]), rig.ensure([file])];
  const there = [fetchInProcess(rig.root, file), fetchInProcess(rig.root, file)];
  await Promise.all(here);
  for (const { output } of there) assert.match(await output, /done\n$/);
  assert.equal(server.asked.length, 1);
  assert.deepEqual(await rig.names(), ['m.bin', 'manifest.json']);
  assert.ok(rig.lines.some((line) => line.includes('is being downloaded for another job')));
});

test('who waits for another download goes on waiting while that lasts, and can be cancelled', async () => {
  await using server = await fileServer(randomFile(1000));
  await using rig = await storeRig();
  const file = { role: 'model', url: server.base, filename: 'm.bin' };
  server.next({ stallAfter: 10 });
  const [first, second] = [new AbortController(), new AbortController()];
  const busy = rig.ensure([file], { signal: first.signal, stallMs: 60_000 });
  await server.arrived(1);
  const waits = Promise.withResolvers<void>();
  const lines: string[] = [];
  let tries = 0;
  const waiting = rig.ensure([file], {
    signal: second.signal,
    log: (_level, message) => void lines.push(message),
    // Told a few times a second while it waits, so by the second time the lock was tried again.
    progress: () => {
      tries += 1;
      if (tries === 2) waits.resolve();
    },
  });
  await waits.promise;
  assert.equal(server.asked.length, 1);
  assert.deepEqual(lines.length, 1);
  assert.match(lines[0] ?? '', /it is being downloaded for another job/);
  second.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  first.abort(new Error('enough too'));
  await assert.rejects(busy, /enough too/);
});

/** Resolves when the file is that large, looked at after every change in its folder. */
async function sizeReaches(folder: string, name: string, bytes: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(folder, () => void look());
  const look = async () => {
    const size = await stat(join(folder, name)).then(
      (stats) => stats.size,
      () => 0,
    );
    if (size >= bytes) resolve();
  };
  await promise;
  watcher.close();
}
