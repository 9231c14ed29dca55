// What is lost when something dies: nothing that was finished, and no more of what was running than has to be.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openScene, testJob } from './scene.ts';
import { startWorker, WITH_TEST_ENGINE } from './worker-process.ts';

/** Polls the process table, which has no events. */
async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
  assert.fail(`process ${pid} still lives`);
}

test('a studio that is killed and restarted mid-job gets the result of the one run', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker('', WITH_TEST_ENGINE);
  const chat = await scene.operator.createJob(testJob('llm', { ms: 2_500, steps: 25 }));
  const image = await scene.operator.createJob(testJob('image', { ms: 2_500, steps: 25 }));
  for (const { id } of [chat, image]) await scene.untilJob(id, (job) => job.progress !== undefined);
  await scene.stopStudio();
  await worker.until('session lost, reconnecting');
  // Both end while nobody is there to be told.
  for (const { id } of [chat, image]) await worker.until('finished', (record) => record.jobId === id);
  await scene.startStudio();
  for (const { id } of [chat, image]) {
    const job = await scene.ended(id);
    assert.equal(job.status, 'done', JSON.stringify(job));
    const starts = worker.logs.all.filter((record) => record.msg === 'started' && record.jobId === id);
    assert.equal(starts.length, 1, 'it ran once');
  }
});

test('a worker killed with -9 leaves no engine behind, and the restarted one does the job again', async () => {
  await using scene = await openScene();
  const first = await scene.approvedWorker('', WITH_TEST_ENGINE, true);
  const pidFile = join(first.dir, 'engine.pid');
  const { id } = await scene.operator.createJob(testJob('image', { ms: 1_500, steps: 30, pidFile }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  const stuckPidFile = join(first.dir, 'stuck.pid');
  const stuck = await scene.operator.createJob(
    testJob('video', { pidFile: stuckPidFile, ms: 400, steps: 2, hang: 'loop' }),
  );
  await scene.untilJob(stuck.id, (job) => job.progress !== undefined);
  const pids = await Promise.all([pidFile, stuckPidFile].map(async (path) => Number(await readFile(path, 'utf8'))));
  first.kill('SIGKILL');
  await first.exited;
  for (const pid of pids) await gone(pid);
  await scene.operator.cancelJob(stuck.id);

  await using second = startWorker({ dir: first.dir });
  await second.until('welcomed by the studio');
  assert.equal((await scene.ended(id)).status, 'done');
});

test('a result that was finished while the studio was away survives kill -9 of the worker', async () => {
  await using scene = await openScene();
  const first = await scene.approvedWorker('', WITH_TEST_ENGINE, true);
  const { id } = await scene.operator.createJob(testJob('image', { ms: 1_500, steps: 15, bytes: 100_000 }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  await scene.stopStudio();
  await first.until('finished', (record) => record.jobId === id);
  first.kill('SIGKILL');
  await first.exited;
  assert.equal((await readdir(join(first.dir, 'outbox'))).length, 2);

  await scene.startStudio();
  await using second = startWorker({ dir: first.dir });
  const job = await scene.ended(id);
  assert.equal(job.status, 'done');
  assert.equal((await scene.operator.output(id)).bytes.byteLength, 100_000);
  assert.equal(
    second.logs.all.some((record) => record.msg === 'started'),
    false,
    'it was not computed again',
  );
});

test('SIGTERM lets a running job end and delivers it before the worker leaves', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker('', WITH_TEST_ENGINE);
  const { id } = await scene.operator.createJob(testJob('image', { ms: 1_200, steps: 12 }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  worker.kill('SIGTERM');
  assert.deepEqual(await worker.exited, { code: 0, signal: null });
  assert.equal((await scene.operator.job(id)).status, 'done');
});

test('a second SIGTERM hands the running job back, and another worker does it', async () => {
  await using scene = await openScene();
  await using first = await scene.approvedWorker('', WITH_TEST_ENGINE);
  const { id } = await scene.operator.createJob(testJob('image', { ms: 4_000, steps: 40 }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  first.kill('SIGTERM');
  await first.until('stopping');
  first.kill('SIGTERM');
  assert.deepEqual(await first.exited, { code: 0, signal: null });
  const job = await scene.operator.job(id);
  assert.equal(job.status, 'queued');
  await using _second = await scene.approvedWorker('', WITH_TEST_ENGINE);
  assert.equal((await scene.ended(id)).status, 'done');
});

test('the grace over, running jobs are handed back', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker('shutdown_grace_secs = 0.3', WITH_TEST_ENGINE);
  const { id } = await scene.operator.createJob(testJob('llm', { ms: 60_000, steps: 600 }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  worker.kill('SIGINT');
  assert.deepEqual(await worker.exited, { code: 0, signal: null });
  const job = await scene.operator.job(id);
  assert.equal(job.status, 'queued');
  assert.equal(job.error?.code ?? 'shutdown', 'shutdown');
});

test('a studio that cannot be reached ends the worker after the capped retries', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker('ws_reconnect_attempts = 1');
  await scene.stopStudio();
  assert.deepEqual(await worker.exited, { code: 1, signal: null });
  assert.match(worker.text(), /ws reconnect cap reached/);
});
