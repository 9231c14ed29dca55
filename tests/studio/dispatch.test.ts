// Which worker gets which job, and what becomes of a job that is refused, fails or is cancelled.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enrol, MODERN, openWorker, upload } from './fake-worker.ts';
import { openRooms } from './rooms.ts';
import { imageJob, llmJob, openTestStudio, type TestStudio } from './test-studio.ts';

let t: TestStudio;
before(async () => {
  t = await openTestStudio({ limits: { cancelMs: 300, sweepMs: 100 } });
});
after(() => t[Symbol.asyncDispose]());

const { room, join, cancelAll } = openRooms(() => t);

describe('selection', () => {
  test('offers jobs in the order of their creation, one at a time without multi-offer', async () => {
    const { capabilities, job } = room();
    const first = await t.operator.createJob(llmJob(job));
    const second = await t.operator.createJob(imageJob(job));
    const third = await t.operator.createJob(llmJob(job));
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity, { capabilities });
    assert.equal((await worker.offer()).jobId, first.id);
    await worker.heartbeat(capabilities);
    assert.deepEqual(worker.pending(), []);
    worker.send({ type: 'accept', jobId: first.id });
    worker.send({ type: 'completeJson', jobId: first.id, result: {} });
    assert.equal((await worker.offer()).jobId, second.id);
    worker.send({ type: 'accept', jobId: second.id });
    await upload(t.url, identity, second.id);
    assert.equal((await worker.offer()).jobId, third.id);
    worker.send({ type: 'completeJson', jobId: third.id, result: {} });
    await worker.next('completeAck');
  });

  test('with multi-offer fills the slots of each kind', async () => {
    const { capabilities, job } = room({ ...MODERN, slots: { llm: 2, image: 1 } });
    await using worker = await join(capabilities);
    const ids: string[] = [];
    for (const order of [llmJob(job), llmJob(job), llmJob(job), imageJob(job), imageJob(job)]) {
      ids.push((await t.operator.createJob(order)).id);
    }
    const offered = [await worker.offer(), await worker.offer(), await worker.offer()].map((claim) => claim.jobId);
    assert.deepEqual(offered, [ids[0], ids[1], ids[3]]);
    await worker.heartbeat(capabilities);
    assert.deepEqual(worker.pending(), []);
    worker.send({ type: 'completeJson', jobId: ids[1], result: {} });
    assert.equal((await worker.offer()).jobId, ids[2]);
    await cancelAll(...ids);
  });

  test('leaves out workers that are paused, in use, too small or of other kinds, and takes the longest connected', async () => {
    const { capabilities, job } = room();
    const unfit = [
      { ...capabilities, autoEnabled: false },
      { ...capabilities, onlyWhenIdle: true, userPresence: 'active' },
      { ...capabilities, onlyWhenIdle: true },
      { ...capabilities, vramThresholdGb: 1 },
      { ...capabilities, taskKinds: ['image'] },
    ];
    const waiting = await t.operator.createJob(llmJob(job));
    for (const one of unfit) {
      await using worker = await join(one);
      await worker.heartbeat(one);
      assert.deepEqual(worker.pending(), []);
    }
    await cancelAll(waiting.id);
    await using first = await join(capabilities);
    await using second = await join(capabilities);
    const fresh = await t.operator.createJob(llmJob(job));
    assert.equal((await first.offer()).jobId, fresh.id);
    assert.deepEqual(second.pending(), []);
    await cancelAll(fresh.id);
  });

  test('offers a waiting job as soon as a heartbeat says that its worker is enabled', async () => {
    const { capabilities, job } = room();
    await using worker = await join({ ...capabilities, autoEnabled: false });
    const { id } = await t.operator.createJob(llmJob(job));
    await worker.heartbeat({ ...capabilities, autoEnabled: false });
    assert.deepEqual(worker.pending(), []);
    await worker.heartbeat(capabilities);
    assert.equal((await worker.offer()).jobId, id);
    await cancelAll(id);
  });

  test('never offers one job twice, however many workers race for it', async () => {
    const { capabilities, job } = room({ ...MODERN, slots: { llm: 4 } });
    const workers = await Promise.all(Array.from({ length: 4 }, () => join(capabilities)));
    const created = await Promise.all(Array.from({ length: 40 }, () => t.operator.createJob(llmJob(job))));
    const offers: string[] = [];
    // Each works until its socket is closed: how many offers a worker gets is for the race to decide.
    const working = workers.map(async (worker) => {
      while (true) {
        const { jobId } = await worker.offer();
        offers.push(jobId);
        worker.send({ type: 'accept', jobId });
        worker.send({ type: 'completeJson', jobId, result: {} });
        await worker.next('completeAck');
      }
    });
    const over = Promise.allSettled(working);
    const done = await Promise.all(created.map(({ id }) => t.operator.waitForJob(id)));
    assert.ok(done.every((one) => one.status === 'done' && one.attempts === 0));
    assert.equal(new Set(offers).size, offers.length);
    for (const worker of workers) await worker[Symbol.asyncDispose]();
    await over;
  });
});

describe('a rejected job', () => {
  for (const refusal of [
    { reason: 'worker already has an in-flight job', code: 'busy' },
    { reason: 'worker paused by operator' },
  ]) {
    test(`comes back after the next heartbeat, uncounted: ${JSON.stringify(refusal)}`, async () => {
      const { capabilities, job } = room();
      await using worker = await join(capabilities);
      const { id } = await t.operator.createJob(llmJob(job));
      await worker.offer();
      await using events = await t.operator.events();
      worker.send({ type: 'reject', jobId: id, ...refusal });
      await events.until((event) => event.type === 'job' && event.data.status === 'queued');
      assert.equal((await t.operator.job(id)).attempts, 0);
      assert.deepEqual(worker.pending(), []);
      await worker.heartbeat(capabilities);
      assert.equal((await worker.offer()).jobId, id);
      await cancelAll(id);
    });
  }

  test('for any other reason goes to another worker and never back', async () => {
    const { capabilities, job } = room();
    await using first = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    await first.offer();
    first.send({ type: 'reject', jobId: id, reason: 'claim.task.width: expected number' });
    await first.heartbeat(capabilities);
    await first.heartbeat(capabilities);
    assert.deepEqual(first.pending(), []);
    await using second = await join(capabilities);
    assert.equal((await second.offer()).jobId, id);
    assert.equal((await t.operator.job(id)).attempts, 0);
    await cancelAll(id);
  });
});

describe('a failed job', () => {
  test('is tried three times when that may help', async () => {
    const { capabilities, job } = room();
    await using worker = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    for (const attempt of [1, 2, 3]) {
      assert.equal((await worker.offer()).jobId, id);
      worker.send({ type: 'accept', jobId: id });
      worker.send({
        type: 'fail',
        jobId: id,
        error: `out of memory ${attempt}`,
        retryable: true,
        code: 'vram_exhausted',
      });
      await worker.next('failAck');
    }
    const failed = await t.operator.waitForJob(id);
    assert.equal(failed.status, 'failed');
    assert.equal(failed.attempts, 3);
    assert.deepEqual(failed.error, { code: 'vram_exhausted', message: 'out of memory 3' });
  });

  test('is over at once when it does not, and starts again when the operator says so', async () => {
    const { capabilities, job } = room();
    await using worker = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    await worker.offer();
    worker.send({ type: 'fail', jobId: id, error: 'cannot serve llm', retryable: false });
    await worker.next('failAck');
    assert.equal((await t.operator.waitForJob(id)).status, 'failed');
    assert.deepEqual(await t.operator.retryJob(id), { status: 'queued' });
    assert.equal((await worker.offer()).jobId, id);
    const again = await t.operator.job(id);
    assert.equal(again.attempts, 0);
    assert.equal(again.error, undefined);
    await assert.rejects(t.operator.retryJob(id), { code: 'conflict' });
    await cancelAll(id);
  });
});

describe('a cancelled job', () => {
  test('that is queued ends at once and is never offered', async () => {
    const { capabilities, job } = room();
    const { id } = await t.operator.createJob(llmJob(job));
    assert.deepEqual(await t.operator.cancelJob(id), { status: 'cancelled' });
    await using worker = await join(capabilities);
    await worker.heartbeat(capabilities);
    assert.deepEqual(worker.pending(), []);
    assert.deepEqual(await t.operator.cancelJob(id), { status: 'cancelled' });
  });

  test('that runs is cancelled by its worker, when it can', async () => {
    const { capabilities, job } = room(MODERN);
    await using worker = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    await worker.offer();
    worker.send({ type: 'accept', jobId: id });
    assert.deepEqual(await t.operator.cancelJob(id), { status: 'cancelling' });
    assert.equal((await worker.next('cancel')).jobId, id);
    worker.send({ type: 'fail', jobId: id, error: 'cancelled', retryable: false, code: 'cancelled' });
    await worker.next('failAck');
    assert.equal((await t.operator.job(id)).status, 'cancelled');
  });

  test('is cancelled anyway when its worker does not answer in time', async () => {
    const { capabilities, job } = room(MODERN);
    await using worker = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    await worker.offer();
    await t.operator.cancelJob(id);
    assert.equal((await t.operator.waitForJob(id)).status, 'cancelled');
    worker.send({ type: 'completeJson', jobId: id, result: {} });
    await worker.next('completeAck');
    await worker.heartbeat(capabilities);
  });

  test('at a worker that cannot cancel ends at once, and what comes later is no violation', async () => {
    const { capabilities, job } = room();
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity, { capabilities });
    const { id } = await t.operator.createJob(imageJob(job));
    await worker.offer();
    worker.send({ type: 'accept', jobId: id });
    assert.deepEqual(await t.operator.cancelJob(id), { status: 'cancelled' });
    assert.equal((await upload(t.url, identity, id)).status, 409);
    worker.send({ type: 'fail', jobId: id, error: '409', retryable: false });
    await worker.next('failAck');
    await worker.heartbeat(capabilities);
    assert.equal((await t.operator.job(id)).status, 'cancelled');
  });
});
