// Models that are loaded, pinned and let go without a job, and what is asked of the device's memory meanwhile.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { isBack } from '../../src/workers/free-memory.ts';
import type { HostJob, HostModel } from '../../src/workers/types.ts';
import { ears, GIB, openRig, testJob } from './rig.ts';

const inThread = { extraEngines: [testEngine({ isolation: 'thread' })] };

function asModel({ model, source, vramBytes, task }: HostJob): HostModel {
  return { model, source, vramBytes, kind: task.kind };
}

const testModel = (model: string, gib = 1): HostModel => asModel(testJob({}, { model, gib }));

describe('a load without a job', () => {
  test('loads once, however many want it, and a job then finds the model warm', async () => {
    await using rig = await openRig(inThread);
    const { host } = rig;
    const wanted = testModel('test-load-slow-200');
    const heard = ears();
    const loads = [host.load(wanted, heard), host.load(wanted), host.load(wanted)];
    assert.equal(host.models().length, 1);
    const infos = await Promise.all(loads.map(({ done }) => done));
    assert.deepEqual([...new Set(infos.map(({ key, state }) => `${key} ${state}`))], [`${host.keyOf(wanted)} loaded`]);
    assert.ok(heard.loadRatios.length > 1);
    assert.deepEqual(heard.phases, ['loading']);
    const job = ears();
    await host.run(testJob({}, { model: wanted.model }), job).done;
    assert.deepEqual(job.phases, ['running'], 'nothing was loaded for it');
    assert.equal(host.models().length, 1);
    assert.equal((await host.load(wanted).done).state, 'loaded', 'a loaded model is there at once');
  });

  test('is joined by a job, which takes its place at once', async () => {
    await using rig = await openRig(inThread);
    const wanted = testModel('test-load-slow-200');
    const load = rig.host.load(wanted);
    const run = rig.host.run(testJob({}, { model: wanted.model }), ears());
    assert.equal(rig.host.models().length, 1);
    await Promise.all([load.done, run.done]);
  });

  test('goes on while one of several waits, and is given up with the last', async () => {
    await using rig = await openRig(inThread);
    const wanted = testModel('test-load-slow-60000');
    const [first, second] = [rig.host.load(wanted), rig.host.load(wanted)];
    first.cancel('gone');
    await assert.rejects(first.done, { code: 'CANCELLED', message: 'gone' });
    assert.equal(rig.host.models()[0]?.state, 'loading');
    second.cancel('gone too');
    await assert.rejects(second.done, { code: 'CANCELLED' });
    await rig.until(() => rig.host.models().length === 0);
  });

  test('that fails tells everyone why, and leaves nothing', async () => {
    await using rig = await openRig(inThread);
    const wanted = testModel('test-load-missing');
    for (const { done } of [rig.host.load(wanted), rig.host.load(wanted)]) {
      await assert.rejects(done, { code: 'MODEL_SOURCE_MISSING' });
    }
    await rig.until(() => rig.host.models().length === 0);
  });

  test('is refused as a job would be', async () => {
    await using rig = await openRig({ ...inThread, deviceBytes: 2 * GIB });
    const { host } = rig;
    assert.equal(host.loadVerdict(testModel('test-a', 3)).kind, 'never');
    await assert.rejects(host.load(testModel('test-a', 3)).done, { code: 'MODEL_TOO_LARGE' });
    const gate = join(rig.root, 'gate');
    const run = host.run(testJob({ gate }, { kind: 'image', gib: 2 }), ears());
    const memory = { neededBytes: GIB, freeBytes: 0, marginBytes: 0 };
    const verdict = host.loadVerdict(testModel('test-a'));
    assert.deepEqual(verdict.kind === 'busy' && verdict.memory, memory);
    await writeFile(gate, '');
    await run.done;
    await rig.until(() => host.loadVerdict(testModel('test-a')).kind === 'ready');
  });
});

describe('a model that is let go', () => {
  test('ends its jobs first, and takes no further one meanwhile', async () => {
    await using rig = await openRig({ ...inThread, pool: { concurrency: 2 } });
    const { host } = rig;
    const gate = join(rig.root, 'gate');
    const heard = ears();
    const run = host.run(testJob({ gate }), heard);
    await heard.running;
    const gone = host.unload(host.keyOf(testModel('test-a')), { drainMs: 60_000 });
    assert.equal(host.models()[0]?.state, 'unloading');
    assert.equal(host.verdict(testJob()).kind, 'busy');
    await writeFile(gate, '');
    await run.done;
    await gone;
    assert.deepEqual(host.models(), []);
    await host.run(testJob(), ears()).done;
  });

  test('stops jobs that take longer, with a failure that may be tried again', async () => {
    await using rig = await openRig(inThread);
    const heard = ears();
    const run = rig.host.run(testJob({ ms: 60_000, steps: 600 }), heard);
    await heard.started;
    const rejected = assert.rejects(run.done, { code: 'MODEL_UNLOADED', retryable: true });
    await rig.host.unload(rig.host.keyOf(testModel('test-a')), { drainMs: 1 });
    await rejected;
    assert.deepEqual(rig.host.models(), []);
  });

  test('while it loads ends the load and all who wait for it', async () => {
    await using rig = await openRig({ extraEngines: [testEngine()] });
    const wanted = testModel('test-load-slow-60000');
    const load = rig.host.load(wanted);
    const run = rig.host.run(testJob({}, { model: wanted.model }), ears());
    const rejected = [load.done, run.done].map((done) => assert.rejects(done, { code: 'MODEL_UNLOADED' }));
    await rig.host.unload(rig.host.keyOf(wanted), { drainMs: 60_000 });
    await Promise.all(rejected);
    assert.deepEqual(rig.host.models(), []);
  });

  test('and is not there is no matter', async () => {
    await using rig = await openRig(inThread);
    await rig.host.unload('nobody', { drainMs: 0 });
  });
});

describe('a pinned model', () => {
  test('stays, whatever keep-alive and newcomers want', async () => {
    await using rig = await openRig({ ...inThread, deviceBytes: 2 * GIB, keepAliveMs: 0 });
    const { host } = rig;
    const resident = testModel('test-resident', 1.5);
    host.setPinned(host.keyOf(resident), true);
    assert.equal((await host.load(resident).done).pinned, true);
    await host.run(testJob({}, { kind: 'image', gib: 0.5 }), ears()).done;
    await rig.until(() => host.models().length === 1);
    assert.equal(host.verdict(testJob({}, { kind: 'image', gib: 1 })).kind, 'busy');
    assert.equal(host.models()[0]?.model, 'test-resident');
    host.setPinned(host.keyOf(resident), false);
    await rig.until(() => host.models().length === 0);
  });
});

test('a job says how long its model stays; the word of the last one counts', async () => {
  await using rig = await openRig({ ...inThread, keepAliveMs: -1 });
  const { host } = rig;
  await host.run({ ...testJob(), keepAliveMs: 0 }, ears()).done;
  await rig.until(() => host.models().length === 0);
  await host.run({ ...testJob(), keepAliveMs: 0 }, ears()).done;
  await host.run(testJob({}, { kind: 'image' }), ears()).done;
  await rig.until(() => host.models().every(({ pool }) => pool === 'image'));
  host.configure({ ...(await import('./rig.ts')).settings({ keepAliveMs: 0 }) });
  await rig.until(() => host.models().length === 0);
  await host.run({ ...testJob(), keepAliveMs: -1 }, ears()).done;
  assert.equal(host.models()[0]?.state, 'loaded');
});

test('a host that closes does not wait for memory that does not come back', async () => {
  const leaving = Promise.withResolvers<void>();
  const freeBytes = async () => {
    if (rig.host.models()[0]?.state === 'unloading') leaving.resolve();
    return 4 * GIB;
  };
  const rig = await openRig({ ...inThread, freeBytes, recovery: { everyMs: 60_000, msMax: 600_000 } });
  await rig.host.load(testModel('test-a', 2)).done;
  const gone = rig.host.unload(rig.host.keyOf(testModel('test-a', 2)), { drainMs: 0 });
  await leaving.promise;
  await rig[Symbol.asyncDispose]();
  await gone;
});

describe('free memory of the device', () => {
  const recovery = { everyMs: 1, msMax: 50 };
  /** A device of so many bytes on which another program holds some, and models what the ledger says. */
  function device(totalBytes: number, foreignBytes: number, held: () => number) {
    return { freeBytes: async () => totalBytes - foreignBytes - held(), recovery };
  }

  test('that is less than the ledger believes sends idle models away, and then refuses with figures', async () => {
    let held = () => 0;
    await using rig = await openRig({ ...inThread, ...device(8 * GIB, 5 * GIB, () => held()) });
    const { host } = rig;
    held = () => host.models().reduce((sum, { state, bytes }) => sum + (state === 'loaded' ? bytes : 0), 0);
    await host.load(testModel('test-a', 2)).done;
    await host.load(testModel('test-b', 2)).done;
    assert.deepEqual(
      host.models().map(({ model }) => model),
      ['test-b'],
      'there was no room for both',
    );
    host.setPinned(host.keyOf(testModel('test-b', 2)), true);
    await assert.rejects(host.load(testModel('test-c', 2)).done, {
      code: 'VRAM_EXHAUSTED',
      memory: { neededBytes: 2 * GIB, freeBytes: GIB, marginBytes: 0 },
      message: /`test-c` needs 2.0 GiB, but 1.0 GiB of the device's memory is free/,
    });
    assert.equal((await host.memory()).freeBytes, GIB);
  });

  test('is waited for after an unload, for a while', async () => {
    const asked: number[] = [];
    let released = 0;
    const freeBytes = async () => {
      asked.push(released);
      // Comes back piece by piece once the model is going.
      if (rig.host.models()[0]?.state === 'unloading') released += 0.25;
      return (4 + released) * GIB;
    };
    await using rig = await openRig({ ...inThread, freeBytes, recovery: { everyMs: 1, msMax: 60_000 } });
    const { done } = rig.host.load(testModel('test-a', 2));
    await done;
    await rig.host.unload(rig.host.keyOf(testModel('test-a', 2)), { drainMs: 0 });
    assert.ok(released >= 1.5, 'three quarters of it were waited for');
    assert.ok(asked.length > 5);
  });

  test('is waited for after a load that was given up', async () => {
    // Taken when the load begins, and given back only some looks after its end.
    let [taken, looks] = [0, 0];
    const freeBytes = async () => {
      if (rig.host.models()[0]?.state === 'unloading') {
        looks += 1;
        if (looks > 5) taken = 0;
      }
      return (8 - taken) * GIB;
    };
    await using rig = await openRig({ ...inThread, freeBytes, recovery: { everyMs: 1, msMax: 60_000 } });
    const wanted = testModel('test-load-slow-60000', 4);
    const heard = ears();
    const load = rig.host.load(wanted, heard);
    await heard.loading;
    taken = 4;
    const rejected = assert.rejects(load.done, { code: 'MODEL_UNLOADED' });
    await rig.host.unload(rig.host.keyOf(wanted), { drainMs: 0 });
    await rejected;
    assert.equal(taken, 0, 'it was back');
    assert.ok(looks > 5);
  });

  test('that a dead engine has not given back yet sends nobody away', async () => {
    let [taken, looks, dead] = [0, 0, false];
    const freeBytes = async () => {
      if (dead) looks += 1;
      if (looks > 5) taken = 0;
      return (4 - taken) * GIB;
    };
    const recovery = { everyMs: 1, msMax: 60_000 };
    await using rig = await openRig({ extraEngines: [testEngine()], deviceBytes: 4 * GIB, freeBytes, recovery });
    const { host } = rig;
    await host.load(asModel(testJob({}, { kind: 'image', model: 'test-idle', gib: 1 }))).done;
    const dying = host.run(testJob({ exit: 3 }, { model: 'test-dies', gib: 0.5 }), ears());
    await assert.rejects(dying.done, { code: 'ENGINE_CRASHED' });
    [taken, dead] = [3, true];
    await host.load(testModel('test-next', 2)).done;
    assert.deepEqual(
      host
        .models()
        .map(({ model }) => model)
        .sort(),
      ['test-idle', 'test-next'],
    );
  });

  test('that nobody can tell, or that cannot be asked, leaves it to the ledger', async () => {
    for (const freeBytes of [async () => undefined, async () => Promise.reject(new Error('the driver hangs'))]) {
      await using rig = await openRig({ ...inThread, freeBytes, recovery });
      await rig.host.load(testModel('test-a', 2)).done;
      await rig.host.unload(rig.host.keyOf(testModel('test-a', 2)), { drainMs: 0 });
      assert.deepEqual(rig.host.models(), []);
    }
  });

  test('three quarters of what a model took count as all of it', () => {
    assert.equal(isBack(GIB, GIB * 1.75, GIB), true);
    assert.equal(isBack(GIB, GIB * 1.74, GIB), false);
    assert.equal(isBack(GIB, GIB / 2, GIB), false);
  });
});

test('whatever is loaded, run, pinned and let go at one time, the ledger is the sum of what is there', async () => {
  const names = ['test-a', 'test-b', 'test-c', 'test-load-slow-20'];
  const sizes = [0.5, 1, 1.5, 1];
  const which = fc.nat(names.length - 1);
  const step = fc.oneof(
    fc.record({ do: fc.constant('load' as const), which }),
    fc.record({ do: fc.constant('run' as const), which, keepAliveMs: fc.constantFrom(undefined, 0, 5, -1) }),
    fc.record({ do: fc.constant('unload' as const), which, drainMs: fc.constantFrom(0, 5) }),
    fc.record({ do: fc.constant('pin' as const), which, pinned: fc.boolean() }),
    fc.record({ do: fc.constant('cancel' as const), which }),
  );
  await using rig = await openRig({ ...inThread, deviceBytes: 3 * GIB, pool: { threads: 2, vramBytes: 2.5 * GIB } });
  const { host } = rig;
  const check = async (): Promise<void> => {
    const there = host.models().reduce((sum, { bytes }) => sum + bytes, 0);
    const { reservedBytes, pools } = await host.memory();
    assert.equal(reservedBytes, there);
    assert.equal(pools.llm.reservedBytes, there);
    const staying = host.models().filter(({ state }) => state !== 'unloading');
    assert.ok(staying.reduce((sum, { bytes }) => sum + bytes, 0) <= 2.5 * GIB, 'the pool is never promised twice');
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const loads = new Map<number, { cancel(reason: string): void }>();
      const settled: Promise<unknown>[] = [];
      for (const one of steps) {
        const name = names[one.which] ?? '';
        const model = testModel(name, sizes[one.which]);
        if (one.do === 'load') {
          const load = host.load(model);
          loads.set(one.which, load);
          settled.push(load.done.catch(() => {}));
        } else if (one.do === 'run') {
          const job = testJob({ ms: 2 }, { model: name, gib: sizes[one.which] ?? 1 });
          settled.push(host.run({ ...job, keepAliveMs: one.keepAliveMs }, ears()).done.catch(() => {}));
        } else if (one.do === 'unload') settled.push(host.unload(host.keyOf(model), { drainMs: one.drainMs }));
        else if (one.do === 'pin') host.setPinned(host.keyOf(model), one.pinned);
        else loads.get(one.which)?.cancel('changed my mind');
        await check();
      }
      await Promise.all(settled);
      await check();
      assert.ok(host.models().every(({ runs }) => runs === 0));
      for (const [index, name] of names.entries()) {
        const key = host.keyOf(testModel(name, sizes[index]));
        host.setPinned(key, false);
        await host.unload(key, { drainMs: 0 });
      }
      assert.deepEqual(host.models(), []);
      assert.equal((await host.memory()).reservedBytes, 0);
    }),
    { numRuns: 25 },
  );
});
