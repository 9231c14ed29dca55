// A host at work: several jobs at once, one model for several jobs, memory that is given to others, models that leave.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { openHost } from '../../src/workers/host.ts';
import { ears, engineSettings, GIB, openRig, pidOf, settings, syntheticJob, testJob } from './rig.ts';

const inThread = { extraEngines: [testEngine({ isolation: 'thread' })] };
const inProcess = { extraEngines: [testEngine()] };

test('jobs of different kinds run at the same time', async () => {
  await using rig = await openRig(inThread);
  const gate = join(rig.root, 'gate');
  const jobs = (['image', 'llm', 'audio_tts'] as const).map((kind) => {
    const heard = ears();
    const { done } = rig.host.run(testJob({ gate }, { kind }), heard);
    return { heard, done };
  });
  // None can end before all have begun.
  await Promise.all(jobs.map(({ heard }) => heard.started));
  await writeFile(gate, '');
  await Promise.all(jobs.map(({ done }) => done));
});

test('jobs that share a loaded model run at the same time, up to the concurrency', async () => {
  await using rig = await openRig({ ...inProcess, pool: { concurrency: 3 } });
  const { host } = rig;
  const jobs = [1, 2, 3].map(() => host.run(testJob({ ms: 100 }), ears()));
  assert.deepEqual(host.verdict(testJob()), {
    kind: 'busy',
    why: 'no free place in the llm pool (1 thread for up to 3 jobs each)',
  });
  assert.deepEqual(
    host.models().map(({ state, runs }) => ({ state, runs })),
    [{ state: 'loading', runs: 3 }],
  );
  const pids = (await Promise.all(jobs.map(({ done }) => done))).map(pidOf);
  assert.equal(new Set(pids).size, 1);
  assert.notEqual(pids[0], process.pid);
  assert.equal(host.verdict(testJob()).kind, 'ready');
});

test('a job tells its phases, progress, tokens and log, in order', async () => {
  await using rig = await openRig(inProcess);
  const heard = ears();
  const model = 'test-load-slow-100';
  await rig.host.run(testJob({ tokens: ['a', 'b'], ms: 20, steps: 4, print: 'from native code\n' }, { model }), heard)
    .done;
  assert.deepEqual(heard.phases, ['loading', 'running']);
  assert.deepEqual([heard.loadRatios.length, heard.loadRatios.at(-1)], [11, 1]);
  assert.deepEqual(heard.tokens, ['a', 'b']);
  assert.deepEqual(
    heard.progressed.map(({ ratio }) => ratio),
    [0.25, 0.5, 0.75, 1],
  );
  assert.deepEqual(heard.lines, ['from native code']);
  const warm = ears();
  await rig.host.run(testJob({}, { model }), warm).done;
  assert.deepEqual(warm.phases, ['running']);
});

test('a second thread takes a second model, and a third model waits', async () => {
  await using rig = await openRig({ ...inThread, pool: { threads: 2 } });
  const { host } = rig;
  assert.deepEqual(host.slots(), { image: 2, llm: 2, audio_stt: 2, audio_tts: 2, video: 2 });
  const jobs = ['test-a', 'test-b'].map((model) => host.run(testJob({ ms: 50 }, { model }), ears()));
  assert.equal(host.verdict(testJob({}, { model: 'test-c' })).kind, 'busy');
  await Promise.all(jobs.map(({ done }) => done));
  await host.run(testJob({}, { model: 'test-b' }), ears()).done;
  assert.deepEqual(
    host.models().map(({ model }) => model),
    ['test-a', 'test-b'],
  );
});

describe('memory', () => {
  test('of idle models goes to a newcomer, least recently used first', async () => {
    await using rig = await openRig({ ...inProcess, deviceBytes: 4 * GIB });
    const { host } = rig;
    for (const model of ['test-a', 'test-b', 'test-a']) await host.run(testJob({}, { model, gib: 2 }), ears()).done;
    await host.run(testJob({}, { model: 'test-c', gib: 2 }), ears()).done;
    assert.deepEqual(
      host.models().map(({ model, state }) => [model, state]),
      [
        ['test-a', 'loaded'],
        ['test-c', 'loaded'],
      ],
    );
  });

  test('that a running job holds makes others wait, and is theirs when it ends', async () => {
    await using rig = await openRig({ ...inThread, deviceBytes: 4 * GIB });
    const { host } = rig;
    const holder = host.run(testJob({ ms: 100 }, { kind: 'image', gib: 3 }), ears());
    const waiter = testJob({}, { gib: 2 });
    assert.deepEqual(host.verdict(waiter), {
      kind: 'busy',
      why: 'memory is held by models at work: needs 2.0 GiB, 1.0 GiB free on the device',
      memory: { neededBytes: 2 * GIB, freeBytes: GIB, marginBytes: 0 },
    });
    await assert.rejects(host.run(waiter, ears()).done, { code: 'VRAM_EXHAUSTED' });
    await holder.done;
    await rig.until(() => host.verdict(waiter).kind === 'ready');
    await host.run(waiter, ears()).done;
    assert.deepEqual(
      host.models().map(({ pool }) => pool),
      ['llm'],
    );
  });

  test('that is never enough is said so at once', async () => {
    await using rig = await openRig({ ...inThread, deviceBytes: 4 * GIB });
    const job = testJob({}, { gib: 5 });
    const why = 'model `test-a` needs 5.0 GiB, this device may use 4.0 GiB';
    assert.deepEqual(rig.host.verdict(job), { kind: 'never', code: 'MODEL_TOO_LARGE', why });
    await assert.rejects(rig.host.run(job, ears()).done, { code: 'MODEL_TOO_LARGE', message: why });
  });

  test('budgets change while the host runs: models leave, and larger ones may come', async () => {
    await using rig = await openRig({ ...inThread, deviceBytes: 4 * GIB });
    const { host } = rig;
    await host.run(testJob({}, { gib: 3 }), ears()).done;
    host.configure(settings({ deviceBytes: 2 * GIB }));
    await rig.until(() => host.models().length === 0);
    assert.equal(host.verdict(testJob({}, { gib: 3 })).kind, 'never');
    host.configure(settings({ deviceBytes: 8 * GIB }));
    assert.equal(host.verdict(testJob({}, { gib: 7 })).kind, 'ready');
    host.configure(settings({ pools: { llm: { vramBytes: GIB } } }));
    assert.equal(host.verdict(testJob({}, { gib: 7 })).kind, 'never');
  });

  test('that ran out at load is looked for once more without the idle models', async () => {
    await using rig = await openRig(inThread);
    const { host } = rig;
    // Both models live in the llm pool's thread, where the second one loads only after a disposal.
    await host.run(testJob(), ears()).done;
    await host.run(testJob({}, { model: 'test-load-crowded-1' }), ears()).done;
    assert.deepEqual(
      host.models().map(({ model }) => model),
      ['test-load-crowded-1'],
    );
    await assert.rejects(host.run(testJob({}, { model: 'test-load-oom' }), ears()).done, { code: 'VRAM_EXHAUSTED' });
    await rig.until(() => host.models().length === 0);
    assert.equal((await host.run(testJob(), ears()).done).kind, 'json');
  });

  test('one model loads at a time, while warm ones go on serving', async () => {
    await using rig = await openRig(inThread);
    const { host } = rig;
    await host.run(testJob({}, { kind: 'video' }), ears()).done;
    const order: string[] = [];
    const slow = host
      .run(testJob({}, { model: 'test-load-slow-1500' }), ears())
      .done.then(() => order.push('slow load'));
    const next = host.run(testJob({}, { kind: 'image' }), ears()).done.then(() => order.push('next load'));
    const warm = host.run(testJob({}, { kind: 'video' }), ears()).done.then(() => order.push('warm'));
    await Promise.all([slow, next, warm]);
    assert.deepEqual(order, ['warm', 'slow load', 'next load']);
  });
});

describe('keep-alive', () => {
  test('unloads a model some time after its last use', async () => {
    await using rig = await openRig({ ...inProcess, keepAliveMs: 150 });
    const { host } = rig;
    await host.run(testJob(), ears()).done;
    await host.run(testJob(), ears()).done;
    const idleSince = performance.now();
    assert.deepEqual(
      host.models().map(({ state }) => state),
      ['loaded'],
    );
    await rig.until(() => host.models().length === 0);
    assert.ok(performance.now() - idleSince >= 145);
  });

  test('of zero unloads at once, and changes while the host runs', async () => {
    await using rig = await openRig({ ...inThread, keepAliveMs: -1 });
    const { host } = rig;
    await host.run(testJob(), ears()).done;
    assert.equal(host.models().length, 1);
    host.configure(settings({ keepAliveMs: 0 }));
    await rig.until(() => host.models().length === 0);
    const run = host.run(testJob({ ms: 10 }), ears());
    await run.done;
    await rig.until(() => host.models().length === 0);
  });
});

describe('a load that fails', () => {
  const cases = [
    { model: 'test-load-missing', code: 'MODEL_SOURCE_MISSING' },
    { model: 'test-load-oom', code: 'VRAM_EXHAUSTED' },
  ];
  for (const isolation of ['thread', 'process'] as const) {
    for (const { model, code } of cases) {
      test(`with ${code} in a ${isolation} fails the jobs that wait for it, and leaves nothing`, async () => {
        await using rig = await openRig({ extraEngines: [testEngine({ isolation })], pool: { concurrency: 2 } });
        const jobs = [1, 2].map(() => rig.host.run(testJob({}, { model }), ears()).done);
        for (const result of await Promise.allSettled(jobs)) {
          assert.equal(result.status === 'rejected' && result.reason.code, code);
        }
        await rig.until(() => rig.host.models().length === 0);
        assert.equal((await rig.host.run(testJob(), ears()).done).kind, 'json');
      });
    }
  }

  test('because its engine cannot be imported says which engine', async () => {
    const broken = testEngine({ isolation: 'thread', moduleUrl: new URL('./rig.ts', import.meta.url).href });
    const absent = testEngine({ id: 'absent', models: {}, moduleUrl: new URL('./absent.ts', import.meta.url).href });
    await using rig = await openRig({ extraEngines: [broken, absent] });
    await assert.rejects(rig.host.run(testJob(), ears()).done, {
      code: 'ENGINE_UNAVAILABLE',
      message: /`test` has no/,
    });
    const job = testJob({}, { engine: 'absent', kind: 'image' });
    await assert.rejects(rig.host.run(job, ears()).done, { code: 'ENGINE_UNAVAILABLE', message: /`absent` could not/ });
  });
});

describe('temporary folders', () => {
  test('are private, made when asked for, and gone after the run and with the model', async () => {
    for (const isolation of ['thread', 'process'] as const) {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const { host, scratchRoot } = rig;
      assert.equal((await stat(scratchRoot)).mode & 0o777, 0o700);
      await host.run(testJob(), ears()).done;
      assert.deepEqual(await readdir(scratchRoot), []);
      const heard = ears();
      const gate = join(rig.root, 'gate');
      const run = host.run(testJob({ scratch: true, gate }), heard);
      await heard.started;
      const [folder = ''] = await readdir(scratchRoot);
      assert.equal((await stat(join(scratchRoot, folder))).mode & 0o777, 0o700);
      assert.equal((await readdir(join(scratchRoot, folder))).length, 1);
      await writeFile(gate, '');
      await run.done;
      assert.deepEqual(await readdir(join(scratchRoot, folder)), []);
      await host.run(testJob({}, { kind: 'image', model: 'test-load-scratch' }), ears()).done;
      assert.equal((await readdir(scratchRoot)).length, 2);
      await host[Symbol.asyncDispose]();
      assert.deepEqual(await readdir(scratchRoot), []);
    }
  });

  test('that an earlier process left are removed when the host opens', async () => {
    const scratchRoot = await mkdtemp(join(tmpdir(), 'workers-test-'));
    await mkdir(join(scratchRoot, 'image-1'));
    await writeFile(join(scratchRoot, 'image-1', 'left'), '');
    await using _host = await openHost({
      ...{
        settings: settings(),
        extraEngines: [],
        engineSettings: engineSettings(scratchRoot),
        scratchRoot,
        log: () => {},
      },
    });
    assert.deepEqual(await readdir(scratchRoot), []);
    await rm(scratchRoot, { recursive: true });
  });
});

test('the supervisor’s own thread loads no codec', async () => {
  await using rig = await openRig();
  await rig.host.run(syntheticJob('audio_tts'), ears()).done;
  await rig.host.run(syntheticJob('image'), ears()).done;
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  assert.ok(loaded.some((file) => file.includes('/piscina/')));
  assert.deepEqual(
    loaded.filter((file) => /\/node_modules\/(sharp|wavefile|@img)\//.test(file)),
    [],
  );
});
