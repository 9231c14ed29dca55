// `studio-worker studio` as people run it: a process of its own, its token, its state, and how it ends.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { adminTokenFile, defaultStateDir } from '../../src/studio/host/state-dir.ts';
import { openOperator } from '../../src/studio/operator-client.ts';
import { studioCommand } from '../../src/studio/studio-command.ts';
import { enrol, openWorker } from './fake-worker.ts';
import { llmJob, openTempDir } from './test-studio.ts';

const STUDIO_PROCESS = fileURLToPath(new URL('./studio-process.ts', import.meta.url));

/** Resolves with its URL once it listens. */
async function startStudio(stateDir: string, port = 0): Promise<{ child: ChildProcess; url: string }> {
  const options = JSON.stringify({ port, host: '127.0.0.1', stateDir });
  const child = spawn(process.execPath, [STUDIO_PROCESS, options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  // Reading goes on to the end: a closed pipe would be an error for the studio.
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const found = /^studio listening on (\S+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.on('exit', (code) => reject(new Error(`the studio ended with ${code} before it listened`)));
  });
  return { child, url };
}

test('it makes a token once that only its owner can read, and stops in order', async () => {
  await using folder = await openTempDir();
  const first = await startStudio(folder.path);
  const token = (await readFile(adminTokenFile(folder.path), 'utf8')).trim();
  assert.match(token, /^[0-9a-f]{64}$/);
  if (process.platform !== 'win32') {
    assert.equal((await stat(adminTokenFile(folder.path))).mode & 0o777, 0o600);
  }
  await using operator = openOperator({ url: first.url, adminToken: token });
  const { id } = await operator.createJob(llmJob());
  first.child.kill('SIGTERM');
  assert.deepEqual(await once(first.child, 'exit'), [0, null]);

  const second = await startStudio(folder.path);
  await using again = openOperator({ url: second.url, adminToken: token });
  assert.equal((await again.job(id)).status, 'queued');
  second.child.kill('SIGINT');
  assert.deepEqual(await once(second.child, 'exit'), [0, null]);
});

test('killed in the middle of a job it frees its port and its folder, and goes on where it was', async () => {
  await using folder = await openTempDir();
  const first = await startStudio(folder.path);
  const adminToken = (await readFile(adminTokenFile(folder.path), 'utf8')).trim();
  await using operator = openOperator({ url: first.url, adminToken });
  const worker = await openWorker(first.url, await enrol(first.url, operator));
  const { id } = await operator.createJob(llmJob());
  await worker.offer();
  first.child.kill('SIGKILL');
  // The runtime is a child of the killed process: that it ends too is what closes the worker's socket.
  await worker.closed;

  const second = await startStudio(folder.path, Number(new URL(first.url).port));
  assert.equal(second.url, first.url);
  await using again = openOperator({ url: second.url, adminToken });
  assert.equal((await again.job(id)).status, 'claimed');
  second.child.kill('SIGTERM');
  await once(second.child, 'exit');
});

test('a second studio on the same folder is refused', async () => {
  await using folder = await openTempDir();
  const { child } = await startStudio(folder.path);
  const { openStudio } = await import('../../src/studio/host/embedded-studio.ts');
  await assert.rejects(openStudio({ stateDir: folder.path, adminToken: 'x' }), /another studio is running/);
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('an empty token file is named, never replaced', async () => {
  await using folder = await openTempDir();
  await writeFile(adminTokenFile(folder.path), '\n');
  const { loadAdminToken } = await import('../../src/studio/host/state-dir.ts');
  await assert.rejects(loadAdminToken(folder.path), /admin-token is empty/);
});

describe('the command line', () => {
  const parse = async (...args: string[]) =>
    yargs(['studio', ...args])
      .command({ ...studioCommand, handler: () => {} })
      .exitProcess(false)
      .fail((message, error) => {
        throw error ?? new Error(message);
      })
      .parseAsync();

  test('takes its defaults', async () => {
    const { port, host } = await parse();
    assert.deepEqual({ port, host }, { port: 8787, host: '127.0.0.1' });
  });

  test('refuses to be reachable by others without a token of the operator’s own', async () => {
    await assert.rejects(parse('--host', '0.0.0.0'), /--admin-token/);
    await parse('--host', '0.0.0.0', '--admin-token', 'secret');
    await parse('--host', '::1');
  });

  test('refuses ports that are none', () => assert.rejects(parse('--port', '70000'), /--port/));
});

test('the state lies where the platform wants it', () => {
  const homedir = '/home/a';
  assert.equal(defaultStateDir({ platform: 'linux', env: {}, homedir }), '/home/a/.local/share/studio-worker/studio');
  assert.equal(
    defaultStateDir({ platform: 'linux', env: { XDG_DATA_HOME: '/data' }, homedir }),
    '/data/studio-worker/studio',
  );
  assert.equal(
    defaultStateDir({ platform: 'win32', env: { LOCALAPPDATA: 'C:\\L' }, homedir: 'C:\\U' }),
    path.win32.join('C:\\L', 'studio-worker', 'studio'),
  );
});
