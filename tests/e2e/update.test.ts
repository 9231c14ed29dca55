// A whole update with real parts: the real worker of one version, let in by the real studio, becomes the real worker of
// the next one without losing its process or its job; and stays what it was when the next one is broken.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { readRunningPid } from '../../src/supervisor/daemon-lock.ts';
import { readPointer } from '../../src/supervisor/update/durable.ts';
import { readProbation, readUpdateState } from '../../src/supervisor/update/update-state.ts';
import { type Installation, install, packBundle } from '../supervisor/update/installation.ts';
import { type ReleaseServer, releaseServer } from '../supervisor/update/release-server.ts';
import { openScene, type Scene, testJob } from './scene.ts';
import { Happenings } from './until.ts';
import { type LogRecord, makeConfigDir, WITH_TEST_ENGINE } from './worker-process.ts';

const posix = { skip: process.platform === 'win32' && 'bundles of these tests have a shell script for a Node' };
let scene: Scene;
let installation: Installation;
let server: ReleaseServer;
let dir: string;
let worker: Awaited<ReturnType<typeof startInstalled>>;

before(async () => {
  if (process.platform === 'win32') return;
  server = await releaseServer();
  installation = await install({ version: '1.0.0' });
  const { scratch } = installation;
  await server.publish('1.1.0', await packBundle(scratch, { version: '1.1.0' }));
  await server.publish(
    '1.2.0',
    await packBundle(scratch, { version: '1.2.0', main: 'export const main = async () => 3;' }),
  );
  scene = await openScene();
  const patient = WITH_TEST_ENGINE.replace('run_stall_secs = 2', 'run_stall_secs = 100');
  dir = await makeConfigDir(scene.url, `auto_update_feed = "${server.feed}"\nshutdown_grace_secs = 100`, patient);
  worker = await startInstalled(dir);
  await scene.approveNext();
  await worker.until('welcomed by the studio');
});
after(async () => {
  await worker?.[Symbol.asyncDispose]();
  if (dir !== undefined) await rm(dir, { recursive: true });
  await scene?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

/** The installed command as a worker. Its log goes on over the process's changes of program. */
async function startInstalled(dir: string) {
  const child = spawn(installation.layout.command, ['run', '--config', path.join(dir, 'config.toml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const logs = new Happenings<LogRecord>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    try {
      logs.push(JSON.parse(line) as LogRecord);
    } catch {
      logs.push({ level: 'none', category: 'stderr', msg: line });
    }
  });
  const exited = once(child, 'close').then(([code]) => {
    logs.end(new Error(`the worker has ended with ${code}`));
    return code as number | null;
  });
  return {
    pid: child.pid ?? 0,
    logs,
    until: (msg: RegExp | string, from = 0) =>
      logs.until(`log line ${msg}`, ({ msg: text }) => (typeof msg === 'string' ? text === msg : msg.test(text)), from),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        child.kill('SIGTERM');
      }
      await exited;
    },
  };
}

function command(dir: string, ...args: string[]) {
  return installation.command([...args, '--config', path.join(dir, 'config.toml')]);
}

async function works(): Promise<void> {
  const job = await scene.operator.createJob(testJob('llm', {}));
  assert.equal((await scene.ended(job.id)).status, 'done');
}

test('a running worker takes a new version between two jobs, in the same process', posix, async () => {
  const { layout } = installation;
  assert.equal((await worker.until('studio-worker starts')).version, '1.0.0');
  const gate = path.join(dir, 'gate');
  const job = await scene.operator.createJob(testJob('llm', { gate }));
  await worker.until('started');

  const check = await command(dir, 'check-update');
  assert.deepEqual([check.code, check.stdout], [10, 'update available: 1.0.0 -> 1.2.0\n']);
  const update = await command(dir, 'update', '--to', '1.1.0');
  assert.equal(update.stdout, 'version 1.1.0 is ready; the running worker takes it between two jobs\n', update.stderr);

  assert.equal((await worker.until(/^another version is there/)).version, '1.1.0');
  await writeFile(gate, '');
  assert.equal((await scene.ended(job.id)).status, 'done');
  const healthy = await worker.until(/1\.1\.0 is healthy and takes over from 1\.0\.0/);
  const from = worker.logs.all.indexOf(healthy);
  const started = await worker.until('studio-worker starts', from);
  assert.equal(started.version, '1.1.0');
  await worker.until('welcomed by the studio', from);
  await worker.until('the new version has proved itself', from);
  // Neither systemd nor pm2 has noticed anything.
  assert.equal(await readRunningPid(dir), worker.pid);
  assert.equal(await readPointer(layout.root, 'current'), '1.1.0');
  assert.equal(await readProbation(layout), undefined);
  assert.equal((await command(dir, '--version')).stdout, 'studio-worker 1.1.0\n');
  await works();
});

test('it is itself again soon after it has tried a broken version', posix, async () => {
  const from = worker.logs.all.length;
  assert.equal((await command(dir, 'update')).code, 0);
  await worker.until(/1\.2\.0 is not healthy: it ended with exit code 3; 1\.1\.0 goes on/, from);
  await worker.until('welcomed by the studio', from);
  assert.deepEqual(
    (await readUpdateState(installation.layout)).bad.map(({ version }) => version),
    ['1.2.0'],
  );
  const check = await command(dir, 'check-update');
  assert.deepEqual([check.code, check.stdout], [0, 'up to date: 1.1.0\n']);
  await works();
});

test('it goes back when an operator does', posix, async () => {
  const from = worker.logs.all.length;
  assert.equal((await command(dir, 'rollback')).code, 0);
  await worker.until('welcomed by the studio', from);
  assert.equal((await worker.until('studio-worker starts', from)).version, '1.0.0');
  assert.deepEqual(await installation.leftovers(), []);
  await worker[Symbol.asyncDispose]();
});

test('without a running worker, `update` tries the new version right there', posix, async () => {
  const dir = await makeConfigDir(scene.url, `auto_update_feed = "${server.feed}"`);
  // Not let in yet: to wait for an operator is as healthy as a new worker can be.
  const update = await command(dir, 'update', '--to', '1.1.0');
  assert.deepEqual([update.code, update.stdout], [0, 'updated: 1.0.0 -> 1.1.0\n'], update.stderr);
  const broken = await command(dir, 'update', '--to', '1.2.0');
  assert.deepEqual([broken.code, broken.stdout], [1, 'still 1.1.0\n']);
  assert.match(broken.stderr, /1\.2\.0 is not healthy: it ended with exit code 3/);
});

test('a clone is told how to update, and not touched', async () => {
  const dir = await makeConfigDir(
    'http://127.0.0.1:9/',
    `auto_update_feed = "${server?.feed ?? 'http://127.0.0.1:9/'}"`,
  );
  const { BIN } = await import('./worker-process.ts');
  const ran = await new Promise<{ code: number; stderr: string }>((resolve) => {
    execFile(process.execPath, [BIN, 'update', '--config', path.join(dir, 'config.toml')], (error, _out, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stderr }),
    );
  });
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /git pull/);
});
