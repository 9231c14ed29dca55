// What becomes of the jobs of a worker that goes away.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enrol, MODERN, openWorker } from './fake-worker.ts';
import { openRooms } from './rooms.ts';
import { llmJob, openTestStudio, type TestStudio } from './test-studio.ts';

let t: TestStudio;
before(async () => {
  t = await openTestStudio({ limits: { resumeMs: 300, sweepMs: 100 } });
});
after(() => t[Symbol.asyncDispose]());

const { room, join, cancelAll } = openRooms(() => t);

describe('a worker that goes away', () => {
  test('without resume loses its jobs at once', async () => {
    const { capabilities, job } = room();
    await using first = await join(capabilities);
    await using second = await join({ ...capabilities, autoEnabled: false });
    const { id } = await t.operator.createJob(llmJob(job));
    await first.offer();
    await using events = await t.operator.events();
    first.send({ type: 'accept', jobId: id });
    await events.until((event) => event.type === 'job' && event.data.acceptedAt !== undefined);
    first.drop();
    await events.until((event) => event.type === 'job' && event.data.status === 'queued');
    await second.heartbeat(capabilities);
    assert.equal((await second.offer()).jobId, id);
    assert.equal((await t.operator.job(id)).attempts, 1);
    await cancelAll(id);
  });

  test('with resume finds its jobs again, as long as nobody else has them', async () => {
    const { capabilities, job } = room(MODERN);
    const identity = await enrol(t.url, t.operator);
    const first = await openWorker(t.url, identity, { capabilities });
    const kept = await t.operator.createJob(llmJob(job));
    const lost = await t.operator.createJob(llmJob(job));
    await first.offer();
    await first.offer();
    for (const { id } of [kept, lost]) first.send({ type: 'accept', jobId: id });
    await first.heartbeat(capabilities);
    await first[Symbol.asyncDispose]();

    await using again = await openWorker(t.url, identity, { capabilities, inFlight: [kept.id, 'job-unknown'] });
    // What it did not name is offered anew, and counts as an attempt.
    assert.equal((await again.offer()).jobId, lost.id);
    assert.equal((await t.operator.job(lost.id)).attempts, 1);
    again.send({ type: 'completeJson', jobId: kept.id, result: { kept: true } });
    await again.next('completeAck');
    const done = await t.operator.job(kept.id);
    assert.equal(done.attempts, 0);
    assert.deepEqual(done.result, { kept: true });
    await cancelAll(lost.id);
  });

  test('with resume loses its jobs when it stays away, and gets them back if they still wait', async () => {
    const { capabilities, job } = room(MODERN);
    const identity = await enrol(t.url, t.operator);
    await using events = await t.operator.events();
    const first = await openWorker(t.url, identity, { capabilities });
    const { id } = await t.operator.createJob(llmJob(job));
    await first.offer();
    first.send({ type: 'accept', jobId: id });
    await events.until((event) => event.type === 'job' && event.data.acceptedAt !== undefined);
    first.drop();
    await events.until((event) => event.type === 'job' && event.data.jobId === id && event.data.status === 'queued');
    await using again = await openWorker(t.url, identity, { capabilities, inFlight: [id] });
    again.send({ type: 'completeJson', jobId: id, result: {} });
    await again.next('completeAck');
    assert.equal((await t.operator.job(id)).status, 'done');
  });

  test('may come back with the answer to a job that another worker has by now', async () => {
    const { capabilities, job } = room();
    const identity = await enrol(t.url, t.operator);
    const first = await openWorker(t.url, identity, { capabilities });
    const { id } = await t.operator.createJob(llmJob(job));
    await first.offer();
    first.drop();
    await using second = await join(capabilities);
    assert.equal((await second.offer()).jobId, id);
    await using again = await openWorker(t.url, identity, { capabilities });
    again.send({ type: 'completeJson', jobId: id, result: { late: true } });
    await again.next('completeAck');
    await again.heartbeat(capabilities);
    second.send({ type: 'completeJson', jobId: id, result: { late: false } });
    await second.next('completeAck');
    assert.deepEqual((await t.operator.job(id)).result, { late: false });
  });

  test('by being deleted gives its jobs to others', async () => {
    const { capabilities, job } = room(MODERN);
    await using first = await join(capabilities);
    const { id } = await t.operator.createJob(llmJob(job));
    await first.offer();
    await using second = await join(capabilities);
    await t.operator.deleteWorker(first.workerId);
    assert.equal((await second.offer()).jobId, id);
    await cancelAll(id);
  });
});
