// Stopping: in every phase, with engines that listen and engines that do not.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { ears, isAlive, openRig, pidOf, syntheticJob, testJob } from './rig.ts';

const GRACE_MS = 150;
/** Half of what the jobs here would take by themselves, and far more than a busy machine needs to end them. */
const LATE_MS = 30_000;

describe('a cancelled run', () => {
  for (const isolation of ['thread', 'process'] as const) {
    test(`in a ${isolation} ends with the code it was given, and its thread is ready`, async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const heard = ears();
      const run = rig.host.run(testJob({ ms: 60_000, steps: 600 }), heard);
      await heard.started;
      run.cancel('CANCELLED', 'the studio asked');
      run.cancel('SHUTDOWN', 'too late to be the reason');
      await assert.rejects(run.done, { code: 'CANCELLED', message: 'the studio asked', retryable: false });
      assert.equal((await rig.host.run(testJob({ ms: 1 }), ears()).done).kind, 'json');
      run.cancel('CANCELLED', 'after the end');
    });
  }

  test('that does not listen loses its process after the grace, and the next job gets another one', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], cancelGraceMs: GRACE_MS });
    const { host } = rig;
    const before = pidOf(await host.run(testJob(), ears()).done);
    for (const behaviour of [{ ms: 60_000, ignoreCancel: true }, { hang: 'loop' }, { hang: 'async' }] as const) {
      const heard = ears();
      const run = host.run(testJob(behaviour), heard);
      await heard.running;
      const askedAt = performance.now();
      run.cancel('CANCELLED', 'the studio asked');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      assert.ok(performance.now() - askedAt < LATE_MS);
      await rig.until(() => host.verdict(testJob()).kind === 'ready');
    }
    const after = pidOf(await host.run(testJob(), ears()).done);
    assert.notEqual(after, before);
    assert.equal(isAlive(before), false);
  });

  test('that does not listen keeps its process while another job of the model is well', async () => {
    await using rig = await openRig({
      extraEngines: [testEngine()],
      cancelGraceMs: GRACE_MS,
      pool: { concurrency: 2 },
    });
    const { host } = rig;
    const heard = ears();
    const deaf = host.run(testJob({ ms: 60_000, ignoreCancel: true }), heard);
    await heard.running;
    const gate = join(rig.root, 'gate');
    const well = host.run(testJob({ gate }), ears());
    deaf.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(deaf.done, { code: 'CANCELLED' });
    // An engine that does not return from a run is given no other.
    assert.equal(host.verdict(testJob()).kind, 'busy');
    await writeFile(gate, '');
    const pid = pidOf(await well.done);
    await rig.until(() => host.models().length === 0);
    assert.equal(isAlive(pid), false);
  });

  test('that does not listen in a thread keeps its place until it returns', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], cancelGraceMs: 50 });
    const heard = ears();
    const gate = join(rig.root, 'gate');
    const run = rig.host.run(testJob({ gate }), heard);
    await heard.running;
    run.cancel('SHUTDOWN', 'the worker stops');
    await assert.rejects(run.done, { code: 'SHUTDOWN', retryable: true });
    assert.equal(rig.host.verdict(testJob()).kind, 'busy');
    await writeFile(gate, '');
    await rig.until(() => rig.host.verdict(testJob()).kind === 'ready');
    assert.equal((await rig.host.run(testJob(), ears()).done).kind, 'json');
  });

  test('of the synthetic engine stops drawing', async () => {
    await using rig = await openRig();
    const heard = ears();
    const large = syntheticJob('image', 'a large fox');
    const run = rig.host.run(
      { ...large, task: { ...large.task, width: 4096, height: 4096 } as typeof large.task },
      heard,
    );
    await heard.started;
    run.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(run.done, { code: 'CANCELLED' });
    assert.equal((await rig.host.run(syntheticJob('image'), ears()).done).kind, 'bytes');
  });
});

describe('a job cancelled while its model loads', () => {
  for (const isolation of ['thread', 'process'] as const) {
    test(`in a ${isolation} aborts the load`, async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const job = testJob({}, { model: 'test-load-slow-60000' });
      const heard = ears();
      const run = rig.host.run(job, heard);
      await heard.loading;
      run.cancel('CANCELLED', 'the studio asked');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      await rig.until(() => rig.host.models().length === 0);
      assert.equal((await rig.host.run(testJob(), ears()).done).kind, 'json');
    });
  }

  test('leaves the load to another job that waits for it', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], pool: { concurrency: 2 } });
    const model = 'test-load-slow-1000';
    const first = rig.host.run(testJob({}, { model }), ears());
    const second = rig.host.run(testJob({}, { model }), ears());
    first.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(first.done, { code: 'CANCELLED' });
    assert.deepEqual(
      rig.host.models().map(({ state, runs }) => [state, runs]),
      [['loading', 1]],
    );
    assert.equal((await second.done).kind, 'json');
  });

  test('is over after the grace when the load does not listen', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], cancelGraceMs: GRACE_MS });
    for (const model of ['test-load-hang', 'test-load-loop']) {
      const heard = ears();
      const run = rig.host.run(testJob({}, { model }), heard);
      await heard.loading;
      run.cancel('CANCELLED', 'the studio asked');
      const askedAt = performance.now();
      await assert.rejects(run.done, { code: 'CANCELLED' });
      assert.ok(performance.now() - askedAt < LATE_MS);
      await rig.until(() => rig.host.models().length === 0);
    }
  });

  test('is over when a load that did not listen has ended, and its model is thrown away', async () => {
    for (const isolation of ['thread', 'process'] as const) {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const heard = ears();
      const run = rig.host.run(testJob({}, { model: 'test-load-deaf-200' }), heard);
      await heard.loading;
      run.cancel('CANCELLED', 'the studio asked');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      await rig.until(() => rig.host.models().length === 0);
      assert.equal((await rig.host.run(testJob(), ears()).done).kind, 'json');
    }
  });

  test('in a thread that does not listen keeps the thread until the load has ended', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], cancelGraceMs: 50 });
    const heard = ears();
    const run = rig.host.run(testJob({}, { model: 'test-load-deaf-1500' }), heard);
    await heard.loading;
    run.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(run.done, { code: 'CANCELLED' });
    assert.equal(rig.host.verdict(testJob()).kind, 'busy');
    await rig.until(() => rig.host.verdict(testJob()).kind === 'ready');
    assert.equal((await rig.host.run(testJob(), ears()).done).kind, 'json');
  });

  test('before the load has begun never loads', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()] });
    const heard = ears();
    const run = rig.host.run(testJob(), heard);
    run.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(run.done, { code: 'CANCELLED' });
    assert.deepEqual([heard.phases, heard.loadRatios], [[], []]);
    await rig.until(() => rig.host.models().length === 0);
  });

  test('while it waits for its turn to load never loads', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })] });
    const slow = rig.host.run(testJob({}, { model: 'test-load-slow-200' }), ears());
    const queued = rig.host.run(testJob({}, { kind: 'image' }), ears());
    queued.cancel('CANCELLED', 'the studio asked');
    await assert.rejects(queued.done, { code: 'CANCELLED' });
    await slow.done;
    assert.deepEqual(
      rig.host.models().map(({ pool }) => pool),
      ['llm'],
    );
  });
});
