// How a worker gets in, and what happens when it does not, or is thrown out.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'smol-toml';
import { runCli } from './cli.ts';
import { openScene, type Scene, SYNTHETIC_JOBS } from './scene.ts';
import { makeConfigDir, startWorker } from './worker-process.ts';

let scene: Scene;
before(async () => {
  scene = await openScene();
});
after(() => scene[Symbol.asyncDispose]());

async function savedConfig(dir: string): Promise<Record<string, unknown>> {
  return parse(await readFile(join(dir, 'config.toml'), 'utf8'));
}

test('a rejected worker waits, and asks again after register --reset', async () => {
  await using worker = startWorker({ dir: await makeConfigDir(scene.url, 'label = "a rig"') });
  const first = await scene.events.until('a request', (e) => e.type === 'registration' && e.data.label === 'a rig');
  assert.ok(first.type === 'registration');
  await scene.operator.reject(first.data.requestId, 'not this one');
  const rejected = await worker.until('the studio rejected this worker; `studio-worker register --reset` asks again');
  assert.equal(rejected.reason, 'not this one');
  const config = await savedConfig(worker.dir);
  assert.equal(config.registration_secret, undefined);
  assert.equal(typeof config.install_id, 'string');

  const reset = await runCli(['register', '--reset', '--config', worker.configPath]);
  assert.equal(reset.code, 0, reset.stderr);
  const second = await scene.events.until(
    'a second request',
    (e) => e.type === 'registration' && e.data.status === 'pending' && e.data.requestId !== first.data.requestId,
  );
  assert.ok(second.type === 'registration');
  const { workerId } = await scene.operator.approve(second.data.requestId);
  const welcome = await worker.until('welcomed by the studio');
  assert.equal(welcome.workerId, workerId);
  assert.equal((await savedConfig(worker.dir)).worker_id, workerId);
});

test('no secret is in any log, and a config that a person wrote keeps its comments', async () => {
  await using worker = startWorker({
    dir: await makeConfigDir(scene.url, '# my rig, do not touch\nlabel = "b rig" # here'),
  });
  const asked = await scene.events.until('a request', (e) => e.type === 'registration' && e.data.label === 'b rig');
  assert.ok(asked.type === 'registration');
  const secret = (await savedConfig(worker.dir)).registration_secret;
  await scene.operator.approve(asked.data.requestId);
  await worker.until('welcomed by the studio');
  const text = await readFile(worker.configPath, 'utf8');
  assert.match(text, /# my rig, do not touch\nlabel = "b rig" # here/);
  const token = parse(text).auth_token;
  worker.kill('SIGTERM');
  await worker.exited;
  const logDir = join(worker.dir, 'logs');
  const files = await Promise.all((await readdir(logDir)).map((name) => readFile(join(logDir, name), 'utf8')));
  assert.ok(files.join('').includes('welcomed by the studio'), 'the log files have the session');
  for (const hidden of [secret, token]) {
    assert.ok(typeof hidden === 'string' && hidden.length > 20);
    assert.equal([...files, worker.text()].join('').includes(hidden), false);
  }
  const shown = await runCli(['config', '--config', worker.configPath]);
  assert.equal(shown.stdout.includes(String(token)), false);
});

test('a wrong token ends the worker with its own exit code', async () => {
  const dir = await makeConfigDir(scene.url, 'worker_id = "w-nobody"\nauth_token = "wrong-token-of-this-test"');
  await using worker = startWorker({ dir });
  assert.deepEqual(await worker.exited, { code: 77, signal: null });
  assert.match(worker.text(), /ws auth failed: 401 on websocket upgrade/);
  assert.equal(worker.text().includes('wrong-token-of-this-test'), false);
});

test('a second process with the same credentials takes over, and the first one ends', async () => {
  await using first = await scene.approvedWorker();
  const copy = await mkdtemp(join(tmpdir(), 'studio-worker-e2e-copy-'));
  await cp(first.configPath, join(copy, 'config.toml'));
  await using second = startWorker({ dir: copy });
  await second.until('welcomed by the studio');
  assert.deepEqual(await first.exited, { code: 1, signal: null });
  assert.match(first.text(), /ws fatal: duplicate_worker/);
  await rm(join(copy, 'outbox'), { recursive: true, force: true });
});

test('a second worker on the same config folder leaves at once', async () => {
  await using first = await scene.approvedWorker();
  const second = await runCli(['run', '--config', first.configPath]);
  assert.equal(second.code, 0);
  assert.match(second.stderr, /another studio-worker already runs/);
});

test('a worker that an operator deletes ends, and says what to do', async () => {
  await using worker = await scene.approvedWorker();
  const { worker_id } = await savedConfig(worker.dir);
  await scene.operator.deleteWorker(String(worker_id));
  assert.deepEqual(await worker.exited, { code: 1, signal: null });
  assert.match(worker.text(), /ws fatal: worker_deleted/);
});

test('a worker that moves to another studio while it runs starts over there', async () => {
  await using other = await openScene();
  await using worker = await scene.approvedWorker();
  const moved = await runCli(['register', '--reset', '--api-base-url', other.url, '--config', worker.configPath]);
  assert.equal(moved.code, 0, moved.stderr);
  await other.approveNext();
  const order = SYNTHETIC_JOBS[1];
  assert.ok(order);
  const job = await other.operator.createJob(order);
  assert.equal((await other.ended(job.id)).status, 'done');
});
