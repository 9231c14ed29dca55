// Engines that die or hang: one failed job, freed memory, and everyone else goes on.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { Behaviour } from '../../fixtures/engines/test-engine.ts';
import type { EngineDescriptor } from '../../src/engines/engine.ts';
import { ears, isAlive, openRig, pidOf, testJob } from './rig.ts';

/** Only for what hangs: a job that is well may be silent for longer on a busy machine. */
const hasty = testEngine({ id: 'hasty', models: {}, runStallMs: 300 });

describe('an engine process', () => {
  const cases: { behaviour: Behaviour; code: string; message: RegExp }[] = [
    { behaviour: { abort: true }, code: 'ENGINE_CRASHED', message: /`test-a` \(test\) ended by SIGABRT/ },
    { behaviour: { exit: 3 }, code: 'ENGINE_CRASHED', message: /ended with exit code 3/ },
    { behaviour: { uncaught: 'boo' }, code: 'ENGINE_CRASHED', message: /ended with exit code 1: Error: boo/ },
    {
      behaviour: { exit: 4, print: 'GGML_ASSERT(x) failed\n0x1\n', grandchildMs: 1_500 },
      code: 'ENGINE_CRASHED',
      message: /code 4: GGML_ASSERT/,
    },
    { behaviour: { hang: 'async' }, code: 'ENGINE_HUNG', message: /no progress for 300 ms/ },
    { behaviour: { hang: 'loop' }, code: 'ENGINE_HUNG', message: /no progress for 300 ms/ },
  ];
  for (const { behaviour, code, message } of cases) {
    test(`told ${JSON.stringify(behaviour)} fails its job with ${code}, and no other one`, async () => {
      await using rig = await openRig({ extraEngines: [testEngine(), hasty] });
      const { host } = rig;
      const other = host.run(testJob({ ms: 500, steps: 10 }, { kind: 'image' }), ears());
      const run = host.run(
        testJob({ ...behaviour, scratch: true }, { engine: behaviour.hang ? 'hasty' : 'test' }),
        ears(),
      );
      await assert.rejects(run.done, { code, message, retryable: true });
      await rig.until(() => host.verdict(testJob()).kind === 'ready');
      assert.equal((await host.run(testJob(), ears()).done).kind, 'json');
      assert.equal((await other.done).kind, 'bytes');
      // The folder that the dead process could not remove itself has gone with its model; the two living ones use none.
      await rig.until(() => host.models().length === 2);
      assert.deepEqual(
        (await readdir(rig.scratchRoot)).filter((name) => name === 'llm-2'),
        [],
      );
    });
  }

  test('that dies takes only its own jobs, all of them, and the next one is not sent to it', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], pool: { concurrency: 2 } });
    const { host } = rig;
    const dies = host.run(testJob({ ms: 50, abort: true }), ears());
    const shares = host.run(testJob({ ms: 60_000 }), ears());
    await assert.rejects(dies.done, { code: 'ENGINE_CRASHED' });
    const next = host.run(testJob(), ears());
    await assert.rejects(shares.done, { code: 'ENGINE_CRASHED' });
    assert.equal((await next.done).kind, 'json');
    assert.equal(rig.logs.filter(({ message }) => message === 'an engine has died').length, 1);
  });

  test('that dies while idle is forgotten', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()] });
    const pid = pidOf(await rig.host.run(testJob(), ears()).done);
    assert.equal(rig.host.models()[0]?.pid, pid);
    process.kill(pid, 'SIGKILL');
    await rig.until(() => rig.host.models().length === 0);
    assert.notEqual(pidOf(await rig.host.run(testJob(), ears()).done), pid);
  });

  test('that dies, hangs or spins at load fails the job that waits', async () => {
    for (const [model, code, loadStallMs] of [
      ['test-load-abort', 'ENGINE_CRASHED', 60_000],
      ['test-load-hang', 'ENGINE_HUNG', 500],
      ['test-load-loop', 'ENGINE_HUNG', 500],
    ] as const) {
      await using rig = await openRig({ extraEngines: [testEngine({ loadStallMs })] });
      await assert.rejects(rig.host.run(testJob({}, { model }), ears()).done, { code });
      await rig.until(() => rig.host.models().length === 0);
    }
  });

  test('may take longer to load than its silence may, if it reports progress', async () => {
    // Ten steps of 400 ms. A start of Node takes some 100 ms, and many times that on a busy machine.
    await using rig = await openRig({ extraEngines: [testEngine({ loadStallMs: 3_000 })] });
    assert.equal((await rig.host.run(testJob({}, { model: 'test-load-slow-4000' }), ears()).done).kind, 'json');
  });

  test('lives through the signals that its terminal sends to everyone', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()] });
    const pid = pidOf(await rig.host.run(testJob(), ears()).done);
    const heard = ears();
    const run = rig.host.run(testJob({ ms: 200, steps: 4 }), heard);
    await heard.started;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    assert.equal(pidOf(await run.done), pid);
  });

  test('that does not dispose is killed after the grace', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], cancelGraceMs: 100, keepAliveMs: 0 });
    for (const model of ['test-dispose-hang', 'test-dispose-throw']) {
      const pid = pidOf(await rig.host.run(testJob({}, { model }), ears()).done);
      await rig.until(() => rig.host.models().length === 0);
      assert.equal(isAlive(pid), false);
    }
  });

  test('is not needed for a model in a thread that does not dispose: it is forgotten with a warning', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], keepAliveMs: 0 });
    await rig.host.run(testJob({}, { model: 'test-dispose-throw' }), ears()).done;
    await rig.until(() => rig.host.models().length === 0);
    assert.ok(rig.logs.some(({ message }) => /unloading failed: the test model does not want to go/.test(message)));
  });

  test('gives its memory back with its life', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()], keepAliveMs: 0 });
    const pid = pidOf(await rig.host.run(testJob({ leakMb: 50 }), ears()).done);
    await rig.until(() => rig.host.models().length === 0);
    assert.equal(isAlive(pid), false);
  });

  test('does not see our secrets', async () => {
    process.env.STUDIO_WORKER_TEST_TOKEN = 'secret';
    await using rig = await openRig({ extraEngines: [testEngine()] });
    const result = await rig.host.run(testJob({ env: ['STUDIO_WORKER_TEST_TOKEN', 'PATH'] }), ears()).done;
    delete process.env.STUDIO_WORKER_TEST_TOKEN;
    const { env } = (result as { value: { env: Record<string, string | null> } }).value;
    assert.equal(env.STUDIO_WORKER_TEST_TOKEN, null);
    assert.equal(env.PATH, process.env.PATH);
  });
});

describe('an engine’s own error', () => {
  for (const isolation of ['thread', 'process'] as const) {
    test(`in a ${isolation} fails the job with its code, and the model stays`, async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const run = (behaviour: Behaviour) => rig.host.run(testJob(behaviour), ears()).done;
      await assert.rejects(run({ throw: 'bad luck' }), { code: 'ENGINE_FAILED', message: 'bad luck' });
      await assert.rejects(run({ throw: 'too long', code: 'INPUT_INVALID' }), { code: 'INPUT_INVALID' });
      await assert.rejects(run({ unsendable: true }), { code: 'ENGINE_FAILED' });
      assert.deepEqual(
        rig.host.models().map(({ state, memoryBytes }) => [state, memoryBytes]),
        [['loaded', 1024]],
      );
    });
  }
});

describe('a thread', () => {
  test('that dies fails its jobs and is replaced', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], pool: { threads: 2 } });
    const { host } = rig;
    for (const behaviour of [{ uncaught: 'boo' }, { exit: 5 }] as const) {
      const other = host.run(testJob({ ms: 300 }, { model: 'test-b' }), ears());
      await assert.rejects(host.run(testJob(behaviour), ears()).done, { code: 'ENGINE_CRASHED' });
      await other.done;
      // With the one thread taken, only a replacement can take another model.
      const again = host.run(testJob({ ms: 60_000 }, { model: 'test-b' }), ears());
      await rig.until(() => host.verdict(testJob({}, { model: 'test-c' })).kind === 'ready');
      await host.run(testJob({ ms: 20 }, { model: 'test-c' }), ears()).done;
      again.cancel('CANCELLED', 'both threads work');
      await assert.rejects(again.done, { code: 'CANCELLED' });
    }
  });

  test('that hangs fails its job, and keeps its place until it returns', async () => {
    const engine = (id: string, stall: Partial<EngineDescriptor>) =>
      testEngine({ id, models: {}, isolation: 'thread', ...stall });
    const extraEngines = [
      testEngine({ isolation: 'thread' }),
      engine('hasty-run', { runStallMs: 100 }),
      engine('hasty-load', { loadStallMs: 100 }),
    ];
    await using rig = await openRig({ extraEngines, cancelGraceMs: 100 });
    const { host } = rig;
    const gate = join(rig.root, 'gate');
    await assert.rejects(host.run(testJob({ gate }, { engine: 'hasty-run' }), ears()).done, { code: 'ENGINE_HUNG' });
    assert.equal(host.verdict(testJob()).kind, 'busy');
    await writeFile(gate, '');
    await rig.until(() => host.verdict(testJob()).kind === 'ready');
    const image = { kind: 'image', engine: 'hasty-load', model: 'test-load-hang' } as const;
    await assert.rejects(host.run(testJob({}, image), ears()).done, { code: 'ENGINE_HUNG' });
    assert.equal(host.verdict(testJob({}, { kind: 'image' })).kind, 'busy');
    assert.equal((await host.run(testJob(), ears()).done).kind, 'json');
  });
});
