// What the studio remembers: across an eviction of its Durable Object, across a restart, and when someone falls silent.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { capabilities, enrol, MODERN, openSocket, openWorker } from './fake-worker.ts';
import { imageJob, llmJob, openTempDir, openTestStudio } from './test-studio.ts';

test('an evicted Durable Object knows its sessions and jobs again', async () => {
  await using t = await openTestStudio();
  const identity = await enrol(t.url, t.operator);
  await using worker = await openWorker(t.url, identity, { capabilities: { ...MODERN, slots: { llm: 1, image: 1 } } });
  const running = await t.operator.createJob(llmJob());
  const waiting = await t.operator.createJob(llmJob());
  await worker.offer();
  worker.send({ type: 'accept', jobId: running.id });
  await worker.heartbeat(MODERN);
  // The heartbeat opened four llm slots, so the second job has been offered too.
  await worker.offer();

  await t.studio.evict();

  await worker.heartbeat(MODERN);
  const [view] = await t.operator.workers();
  assert.ok(view?.online);
  assert.deepEqual(view.features, MODERN.features);
  assert.deepEqual(view.jobIds.toSorted(), [running.id, waiting.id].toSorted());
  const next = await t.operator.createJob(imageJob());
  assert.equal((await worker.offer()).jobId, next.id);
  worker.send({ type: 'completeJson', jobId: running.id, result: { survived: true } });
  await worker.next('completeAck');
  assert.deepEqual((await t.operator.job(running.id)).result, { survived: true });
});

test('a restarted studio takes back a worker with its running job, and keeps the queue', async () => {
  await using folder = await openTempDir();
  let t = await openTestStudio({ stateDir: folder.path });
  const identity = await enrol(t.url, t.operator);
  const worker = await openWorker(t.url, identity, { capabilities: { ...MODERN, slots: { llm: 1 } } });
  const running = await t.operator.createJob(llmJob());
  const queued = await t.operator.createJob(llmJob());
  await worker.offer();
  worker.send({ type: 'accept', jobId: running.id });
  await t[Symbol.asyncDispose]();
  await worker.closed;

  t = await openTestStudio({ stateDir: folder.path });
  await using _ = t;
  await using again = await openSocket(t.url, identity);
  again.send({
    type: 'hello',
    authToken: identity.authToken,
    capabilities: capabilities({ ...MODERN, slots: { llm: 1 } }),
    inFlight: [running.id],
  });
  assert.deepEqual((await again.next('welcome')).resumed, [running.id]);
  again.send({ type: 'completeJson', jobId: running.id, result: {} });
  await again.next('completeAck');
  assert.equal((await t.operator.job(running.id)).attempts, 0);
  assert.equal((await again.offer()).jobId, queued.id);
});

test('after a restart the claims of a worker that does not come back go to others', async () => {
  await using folder = await openTempDir();
  const limits = { resumeMs: 200, sweepMs: 100 };
  let t = await openTestStudio({ stateDir: folder.path, limits });
  const worker = await openWorker(t.url, await enrol(t.url, t.operator));
  const { id } = await t.operator.createJob(llmJob());
  await worker.offer();
  await t[Symbol.asyncDispose]();

  t = await openTestStudio({ stateDir: folder.path, limits });
  await using _ = t;
  await using other = await openWorker(t.url, await enrol(t.url, t.operator));
  assert.equal((await other.offer()).jobId, id);
});

test('a session that falls silent is closed so that it may reconnect, and its job goes to others', async () => {
  await using t = await openTestStudio({ limits: { silentMs: 200, sweepMs: 100 } });
  await using silent = await openWorker(t.url, await enrol(t.url, t.operator));
  const { id } = await t.operator.createJob(llmJob());
  await silent.offer();
  assert.equal((await silent.closed).code, 1000);
  await using other = await openWorker(t.url, await enrol(t.url, t.operator));
  assert.equal((await other.offer()).jobId, id);
});

test('a socket that never says hello is closed, and takes no claims of its worker with it', async () => {
  await using t = await openTestStudio({ limits: { helloMsMax: 200, sweepMs: 100, resumeMs: 60_000 } });
  const identity = await enrol(t.url, t.operator);
  const worker = await openWorker(t.url, identity, { capabilities: MODERN });
  const { id } = await t.operator.createJob(llmJob());
  await worker.offer();
  await worker[Symbol.asyncDispose]();
  await using mute = await openSocket(t.url, identity);
  // The close follows, but workerd takes its time to end the connection of a socket that never said anything.
  assert.equal((await mute.next('error')).code, 'auth_failed');
  const job = await t.operator.job(id);
  assert.equal(job.status, 'claimed');
  assert.equal(job.workerId, identity.workerId);
});

test('of a worker’s log only the newest lines are kept', async () => {
  await using t = await openTestStudio({ limits: { logsPerWorker: 20 } });
  await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
  await using events = await t.operator.events();
  for (let batch = 0; batch < 6; batch++) {
    const entries = Array.from({ length: 5 }, (_, line) => ({
      ts: '2026-10-07T10:00:00.000Z',
      level: 'info',
      category: 'test',
      message: `line ${batch * 5 + line}`,
    }));
    worker.send({ type: 'logBatch', entries });
    await events.until((event) => event.type === 'log');
  }
  const lines = await t.operator.logs(worker.workerId, { limit: 100 });
  assert.deepEqual(
    lines.map((line) => line.message),
    Array.from({ length: 20 }, (_, line) => `line ${line + 10}`),
  );
});

test('a job without its task is failed by the studio and never offered', async () => {
  await using folder = await openTempDir();
  let t = await openTestStudio({ stateDir: folder.path });
  const broken = await t.operator.createJob(llmJob());
  const sound = await t.operator.createJob(llmJob());
  await t[Symbol.asyncDispose]();
  const database = path.join(folder.path, 'database', 'miniflare-D1DatabaseObject');
  const file = (await readdir(database)).find((name) => /^[0-9a-f]+\.sqlite$/.test(name));
  const rows = new DatabaseSync(path.join(database, file ?? ''));
  rows.prepare('UPDATE jobs SET task = NULL WHERE id = ?').run(broken.id);
  rows.close();

  t = await openTestStudio({ stateDir: folder.path });
  await using _ = t;
  await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
  assert.equal((await worker.offer()).jobId, sound.id);
  const failed = await t.operator.waitForJob(broken.id);
  assert.equal(failed.status, 'failed');
  assert.match(failed.error?.message ?? '', /task/);
});
