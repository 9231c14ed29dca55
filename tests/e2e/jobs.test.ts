// Jobs side by side, refused, paused, cancelled, crashed: one studio and one worker for all of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runCli } from './cli.ts';
import { openScene, type Scene, SYNTHETIC_JOBS, testJob } from './scene.ts';
import { WITH_TEST_ENGINE, type WorkerProcess } from './worker-process.ts';

let scene: Scene;
let worker: WorkerProcess;
before(async () => {
  scene = await openScene();
  worker = await scene.approvedWorker('vram_threshold_gb = 1.0', WITH_TEST_ENGINE);
});
after(async () => {
  await worker?.[Symbol.asyncDispose]();
  await scene?.[Symbol.asyncDispose]();
});

const command = (...args: string[]) => runCli([...args, '--config', worker.configPath]);

test('jobs of two kinds run at the same time', async () => {
  const image = await scene.operator.createJob(testJob('image', { ms: 700 }));
  const chat = await scene.operator.createJob(testJob('llm', { ms: 700 }));
  const [a, b] = await Promise.all([scene.ended(image.id), scene.ended(chat.id)]);
  assert.deepEqual([a.status, b.status], ['done', 'done']);
  const [startA = 0, endA = 0, startB = 0, endB = 0] = [a.acceptedAt, a.finishedAt, b.acceptedAt, b.finishedAt];
  assert.ok(startA < endB && startB < endA, `overlap: ${startA}..${endA} and ${startB}..${endB}`);
  assert.ok(Math.min(endA, endB) - Math.max(startA, startB) > 300, 'they overlap for most of their time');
});

test('several jobs of one kind share a loaded model when the pool allows it', async () => {
  const orders = Array.from({ length: 4 }, () => testJob('llm', { ms: 400 }, 'test-shared'));
  const jobs = await Promise.all(orders.map((order) => scene.operator.createJob(order)));
  const ended = await Promise.all(jobs.map(({ id }) => scene.ended(id)));
  const latestStart = Math.max(...ended.map((job) => job.acceptedAt ?? 0));
  const firstEnd = Math.min(...ended.map((job) => job.finishedAt ?? 0));
  assert.ok(latestStart < firstEnd, 'all four ran at one time');
  const pids = new Set(ended.map((job) => (job.result as { pid: number }).pid));
  assert.equal(pids.size, 1, 'one process held the model');
});

test('progress reaches the studio while the job runs', async () => {
  const { id } = await scene.operator.createJob(testJob('image', { ms: 1200, steps: 6 }));
  await scene.untilJob(id, (job) => job.status === 'claimed' && (job.progress?.ratio ?? 0) > 0);
  assert.equal((await scene.ended(id)).status, 'done');
});

test('a job above the threshold is not offered, until set-threshold raises it without a restart', async () => {
  const big = await scene.operator.createJob(testJob('image', {}, 'test-big', 2));
  const small = await scene.operator.createJob(testJob('image', {}));
  assert.equal((await scene.ended(small.id)).status, 'done');
  assert.equal((await scene.operator.job(big.id)).status, 'queued');
  const raised = await command('set-threshold', '3');
  assert.match(raised.stdout, /vram_threshold_gb = 3 \(was 1\)/);
  assert.equal((await scene.ended(big.id)).status, 'done');
});

test('a disabled worker takes no jobs and an enabled one does, without a restart', async () => {
  const disabled = await command('disable');
  assert.equal(disabled.code, 0);
  await worker.until('configuration changed', (record) => record.autoEnabled === false);
  const order = SYNTHETIC_JOBS[1];
  assert.ok(order);
  const { id } = await scene.operator.createJob(order);
  await command('enable');
  await worker.until('configuration changed', (record) => record.autoEnabled === true);
  assert.equal((await scene.ended(id)).status, 'done');
  const started = worker.logs.all.findIndex((record) => record.msg === 'started' && record.jobId === id);
  const enabledAgain = worker.logs.all.findIndex((r) => r.msg === 'configuration changed' && r.autoEnabled === true);
  assert.ok(started > enabledAgain, 'nothing ran while it was disabled');
});

test('a job for an engine that is not here fails for good, and says which engine', async () => {
  const order = testJob('image', {});
  const { id } = await scene.operator.createJob({
    ...order,
    modelSource: { engine: 'no-such-engine', files: [], cliDefaults: { cfgScale: 1, steps: 1, width: 1, height: 1 } },
  });
  const job = await scene.ended(id);
  assert.equal(job.status, 'failed');
  assert.equal(job.error?.code, 'engine_unavailable');
  assert.match(job.error?.message ?? '', /no-such-engine/);
});

test('the synthetic engine never answers for a real model', async () => {
  const { id } = await scene.operator.createJob({
    kind: 'llm',
    model: 'a-real-model',
    params: { messages: [{ role: 'user', content: 'hello' }] },
    modelSource: { engine: 'synthetic', files: [], cliDefaults: { cfgScale: 1, steps: 1, width: 1, height: 1 } },
  });
  const job = await scene.ended(id);
  assert.equal(job.status, 'failed');
  assert.equal(job.attempts, 1);
});

test('a cancelled job stops, and its thread takes the next one', async () => {
  const { id } = await scene.operator.createJob(testJob('video', { ms: 60_000, steps: 600 }));
  await scene.untilJob(id, (job) => job.progress !== undefined);
  await scene.operator.cancelJob(id);
  const job = await scene.ended(id);
  assert.equal(job.status, 'cancelled');
  const next = await scene.operator.createJob(testJob('video', {}));
  assert.equal((await scene.ended(next.id)).status, 'done');
});

test('an engine that aborts costs its own job three attempts, and nobody else anything', async () => {
  const steady = await scene.operator.createJob(testJob('audio_tts', { ms: 3_000, steps: 30 }));
  await scene.untilJob(steady.id, (job) => job.acceptedAt !== undefined);
  const crashing = await scene.operator.createJob(testJob('image', { abort: true }, 'test-crashing'));
  const crashed = await scene.ended(crashing.id);
  assert.equal(crashed.status, 'failed');
  assert.equal(crashed.error?.code, 'engine_crashed');
  assert.equal(crashed.attempts, 3);
  const calm = await scene.ended(steady.id);
  assert.equal(calm.status, 'done');
  assert.equal(calm.attempts <= 1, true);
  // Three failures in a row rest the model; others of the same kind go on.
  await worker.until('model rests after failing several times in a row', (record) => record.model === 'test-crashing');
  const other = await scene.operator.createJob(testJob('image', {}));
  assert.equal((await scene.ended(other.id)).status, 'done');
});

test('an engine that hangs is killed by its watchdog', async () => {
  const { id } = await scene.operator.createJob(testJob('image', { hang: 'loop' }, 'test-hanging'));
  const failed = await worker.until('failed', (record) => record.jobId === id);
  assert.equal(failed.outcome, 'ENGINE_HUNG');
  await scene.operator.cancelJob(id);
});

test('a large binary result arrives whole', async () => {
  const bytes = 24 * 1024 * 1024;
  const { id } = await scene.operator.createJob(testJob('video', { bytes, chunk: 300_000 }));
  const job = await scene.ended(id);
  assert.equal(job.status, 'done');
  const output = await scene.operator.output(id);
  assert.equal(output.bytes.byteLength, bytes);
  assert.equal(output.bytes[300_000 * 5 + 17], 5);
});
