// Loading and unloading on a real host: what is asked, what the host does by itself, and what is on disk.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { testEngine } from '../../../fixtures/engines/descriptor.ts';
import type { Behaviour } from '../../../fixtures/engines/test-engine.ts';
import type { ModelView } from '../../../src/supervisor/models/types.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { ears, GIB, testJob } from '../../workers/rig.ts';
import { openModelsRig, testEntry } from './models-rig.ts';
import { claim, source } from './samples.ts';

const is = (state: ModelView['state']) => (view: ModelView) => view.state === state;
const never = new AbortController().signal;

/** A job for a model of the catalogue, as the local API would run it. */
function jobFor(entry: { id: string }, behaviour: Behaviour = {}): HostJob {
  return { ...testJob(behaviour, { model: entry.id }), source: source() };
}

test('a model that is loaded on request is resident, pinned and on record; unloading ends all three', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('a')] });
  const { models, rig } = scene;
  assert.deepEqual(
    [scene.view('a').state, scene.view('a').resident, scene.view('a').loadable],
    ['unloaded', false, true],
  );
  const asked = await models.load('a');
  assert.deepEqual([asked.started, asked.model.state, asked.model.resident], [true, 'loading', true]);
  assert.deepEqual(await scene.resident(), ['a'], 'on disk before it is loaded');
  const loaded = await scene.until('a', is('loaded'));
  assert.match(loaded.since, /^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
  assert.deepEqual(
    rig.host.models().map(({ model, pinned, state }) => [model, pinned, state]),
    [['a', true, 'loaded']],
  );
  assert.equal((await models.load('a')).started, false);
  // A job finds it loaded.
  const heard = ears();
  await rig.host.run(jobFor({ id: 'a' }), heard).done;
  assert.deepEqual(heard.phases, ['running']);

  const unloading = await models.unload('a');
  assert.deepEqual([unloading.started, unloading.model.state, unloading.model.resident], [true, 'unloading', false]);
  await scene.until('a', is('unloaded'));
  assert.deepEqual([rig.host.models(), await scene.resident()], [[], []]);
  assert.equal((await models.unload('a')).started, false);
});

test('every change is told, in order, with the view', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-600')] });
  const told: ModelView[] = [];
  scene.models.changes.addEventListener('change', (event) => told.push((event as CustomEvent<ModelView>).detail));
  await scene.models.load('test-load-slow-600');
  await scene.until('test-load-slow-600', is('loaded'));
  const states = told.map(({ state }) => state).filter((state, at, all) => state !== all[at - 1]);
  assert.deepEqual(states, ['unloaded', 'loading', 'loaded'], 'the first one is resident, and not yet loading');
  assert.ok(told.some(({ state, progress }) => state === 'loading' && (progress ?? 0) > 0));
  assert.equal(told.at(-1)?.progress, undefined);
});

describe('what jobs do to a model', () => {
  test('shows as well, and the model is not loaded a second time', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-300')] });
    const { rig, models } = scene;
    const heard = ears();
    const run = rig.host.run(jobFor({ id: 'test-load-slow-300' }), heard);
    const loading = await scene.until('test-load-slow-300', is('loading'));
    assert.equal(loading.phase, 'loading');
    const asked = await models.load('test-load-slow-300');
    assert.deepEqual([asked.started, asked.model.state], [true, 'loading']);
    await run.done;
    await scene.until('test-load-slow-300', is('loaded'));
    assert.deepEqual(
      rig.host.models().map(({ pinned }) => pinned),
      [true],
    );
  });

  test('a load that was asked for goes on when the job that began it is cancelled', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-400')] });
    const run = scene.rig.host.run(jobFor({ id: 'test-load-slow-400' }), ears());
    await scene.until('test-load-slow-400', is('loading'));
    const ready = scene.models.ready('test-load-slow-400', never);
    // Joined by now: asking is done in turns.
    await scene.models.load('test-load-slow-400');
    run.cancel('CANCELLED', 'no longer wanted');
    await assert.rejects(run.done, { code: 'CANCELLED' });
    assert.deepEqual(await ready, { wasLoaded: false });
  });

  test('a model that a job loaded is unloaded on request, after its time to end', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('a')] });
    const gate = join(scene.dir, 'gate');
    const heard = ears();
    const run = scene.rig.host.run(jobFor({ id: 'a' }, { gate }), heard);
    await heard.started;
    await scene.until('a', is('loaded'));
    assert.equal((await scene.models.unload('a')).model.state, 'unloading');
    await writeFile(gate, '');
    await run.done;
    await scene.until('a', is('unloaded'));
  });

  test('a model whose time is over is unloaded by the host, a resident one never', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('a'), testEntry('b')], keepAliveMs: 0 });
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
    await scene.rig.host.run(jobFor({ id: 'a' }), ears()).done;
    await scene.rig.host.run(jobFor({ id: 'b' }), ears()).done;
    await scene.until('b', is('unloaded'));
    await scene.rig.until(() => scene.rig.host.models().length === 1);
    assert.equal(scene.view('a').state, 'loaded');
  });
});

describe('a load that does not end well', () => {
  test('leaves the model failed with the reason, and resident; unloading clears it, and another load tries again', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('test-load-missing')] });
    await scene.models.load('test-load-missing');
    const failed = await scene.until('test-load-missing', is('failed'));
    assert.equal(failed.error, 'the test model has no files');
    assert.equal(failed.resident, true);
    await assert.rejects(scene.models.ready('test-load-missing', never), { code: 'MODEL_SOURCE_MISSING' });
    const cleared = await scene.models.unload('test-load-missing');
    assert.deepEqual([cleared.started, cleared.model.state, cleared.model.error], [false, 'unloaded', undefined]);
    await scene.rig.until(() => scene.rig.host.models().length === 0);
    assert.equal(scene.view('test-load-missing').state, 'unloaded');
  });

  test('because there is no such engine says so', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('m', { source: source({ engine: 'parakeet' }) })] });
    assert.equal(scene.view('m').loadable, false);
    await scene.models.load('m');
    const { error } = await scene.until('m', is('failed'));
    assert.match(error ?? '', /engine `parakeet` is not part of this worker/);
  });

  test('is asked for again in vain only as often as somebody asks', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('a', { enabled: false }), testEntry('b')] });
    await assert.rejects(scene.models.load('a'), { code: 'model_disabled', status: 400 });
    await assert.rejects(scene.models.ready('a', never), { code: 'model_disabled' });
    await assert.rejects(scene.models.load('none'), { code: 'unknown_model', status: 404 });
    await assert.rejects(scene.models.unload('none'), { code: 'unknown_model' });
    await assert.rejects(scene.models.ready('none', never), { code: 'unknown_model' });
    await assert.rejects(scene.models.pull('none', { signal: never, progress() {} }), { code: 'unknown_model' });
    assert.equal(scene.models.get('none'), undefined);
  });
});

test('an unload while it loads is remembered, and a further load takes it back', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-500')] });
  const id = 'test-load-slow-500';
  await scene.models.load(id);
  assert.deepEqual(await scene.models.unload(id).then(({ started, model }) => [started, model.state]), [
    true,
    'loading',
  ]);
  await scene.models.load(id);
  await scene.until(id, is('loaded'));
  await scene.models.unload(id);
  await scene.until(id, is('unloaded'));
  await scene.models.load(id);
  await scene.models.unload(id);
  await scene.until(id, is('unloaded'));
  assert.deepEqual([scene.rig.host.models(), await scene.resident()], [[], []]);
});

describe('memory', () => {
  test('that is not there at all refuses the load, and nothing has changed', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('large', { vramGbEstimate: 9 })] });
    await assert.rejects(scene.models.load('large'), {
      ...{ code: 'insufficient_memory', status: 409 },
      details: { neededGib: 9, freeGib: 8, marginGib: 0 },
    });
    assert.deepEqual([scene.view('large').state, await scene.resident()], ['unloaded', []]);
  });

  test('of a resident model is given to nobody', async () => {
    const entries = [testEntry('a', { vramGbEstimate: 5 }), testEntry('b', { vramGbEstimate: 5 })];
    await using scene = await openModelsRig({ entries, pool: { threads: 2 } });
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
    await assert.rejects(scene.models.load('b'), {
      code: 'insufficient_memory',
      details: { neededGib: 5, freeGib: 3, marginGib: 0 },
    });
    // Nobody will give it back, so waiting would be in vain.
    await assert.rejects(scene.models.ready('b', never), { code: 'insufficient_memory' });
    assert.equal(scene.view('a').state, 'loaded');
    await scene.models.unload('a');
    await scene.until('a', is('unloaded'));
    assert.deepEqual(await scene.models.ready('b', never), { wasLoaded: false });
  });

  test('of a model at work is waited for on demand, and not by an operator', async () => {
    const entries = [testEntry('a', { vramGbEstimate: 5 }), testEntry('b', { vramGbEstimate: 5 })];
    await using scene = await openModelsRig({ entries, pool: { threads: 2 } });
    const gate = join(scene.dir, 'gate');
    const heard = ears();
    const run = scene.rig.host.run({ ...jobFor({ id: 'a' }, { gate }), vramBytes: 5 * GIB }, heard);
    await heard.started;
    await assert.rejects(scene.models.load('b'), { code: 'insufficient_memory' });
    const ready = scene.models.ready('b', never);
    await scene.until('b', is('loading'));
    await writeFile(gate, '');
    await run.done;
    assert.deepEqual(await ready, { wasLoaded: false });
    await scene.until('a', is('unloaded'));
  });

  test('that other programs hold counts, and idle models are counted as leaving', async () => {
    let free = 6 * GIB;
    const recovery = { everyMs: 1, msMax: 5 };
    await using scene = await openModelsRig({
      ...{ entries: [testEntry('a', { vramGbEstimate: 4 })], deviceBytes: 8 * GIB },
      ...{ freeBytes: async () => free, recovery },
    });
    free = 3 * GIB;
    await assert.rejects(scene.models.load('a'), {
      code: 'insufficient_memory',
      details: { neededGib: 4, freeGib: 3, marginGib: 0 },
    });
    free = 6 * GIB;
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
  });
});

describe('a group', () => {
  const entries = [
    testEntry('a', { vramGbEstimate: 5, exclusiveGroup: 'g' }),
    testEntry('b', { vramGbEstimate: 5, exclusiveGroup: 'g' }),
    testEntry('c', { vramGbEstimate: 1 }),
  ];

  test('has one model loaded: the other leaves, with its residency and its memory', async () => {
    await using scene = await openModelsRig({ entries });
    await scene.models.load('a');
    await scene.models.load('c');
    await scene.until('a', is('loaded'));
    await scene.models.load('b');
    assert.deepEqual(await scene.resident(), ['b', 'c']);
    await scene.until('b', is('loaded'));
    assert.deepEqual([scene.view('a').state, scene.view('a').resident], ['unloaded', false]);
    await scene.until('c', is('loaded'));
    await scene.models.ready('a', never);
    assert.deepEqual([scene.view('b').state, await scene.resident()], ['unloaded', ['c']]);
  });

  test('a load that is under way makes way as well', async () => {
    const slow = testEntry('test-load-slow-60000', { exclusiveGroup: 'g' });
    await using scene = await openModelsRig({ entries: [slow, testEntry('b', { exclusiveGroup: 'g' })] });
    await scene.models.load(slow.id);
    await scene.until(slow.id, ({ progress }) => progress !== undefined);
    await scene.models.load('b');
    await scene.until('b', is('loaded'));
    assert.equal(scene.view(slow.id).state, 'unloaded');
  });
});

test('what cannot be written down does not happen', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('a'), testEntry('b')] });
  await scene.models.load('a');
  await scene.until('a', is('loaded'));
  await rm(join(scene.dir, 'residency.json'));
  await mkdir(join(scene.dir, 'residency.json', 'in-the-way'), { recursive: true });
  await assert.rejects(scene.models.load('b'), { code: 'residency_not_saved', status: 500 });
  await assert.rejects(scene.models.unload('a'), { code: 'residency_not_saved' });
  assert.deepEqual(
    ['a', 'b'].map((id) => [scene.view(id).state, scene.view(id).resident]),
    [
      ['loaded', true],
      ['unloaded', false],
    ],
  );
});

describe('after a start', () => {
  test('resident models are loaded in the order of the catalogue, and one that fails keeps none from it', async () => {
    const entries = [
      testEntry('c'),
      testEntry('test-load-missing'),
      testEntry('off', { enabled: false }),
      testEntry('a'),
    ];
    await using scene = await openModelsRig({
      ...{ entries, residents: ['a', 'c', 'gone', 'off', 'test-load-missing'] },
    });
    await scene.until('a', is('loaded'));
    assert.deepEqual(
      scene.models.list().map(({ id, state, resident }) => [id, state, resident]),
      [
        ['c', 'loaded', true],
        ['test-load-missing', 'failed', true],
        ['off', 'unloaded', true],
        ['a', 'loaded', true],
      ],
    );
    const order = scene.logs.lines
      .filter(({ message }) => message === 'model loaded')
      .map(({ fields }) => fields.model);
    assert.deepEqual(order, ['c', 'a']);
    assert.deepEqual(
      scene.rig.host.models().map(({ pinned }) => pinned),
      [true, true],
    );
  });

  test('a resident model waits for its engine to be looked at', async () => {
    let ready = false;
    const engine = testEngine({ isolation: 'thread', probeUrl: 'file:///unused' });
    await using scene = await openModelsRig({
      ...{ entries: [testEntry('a')], residents: ['a'], extraEngines: [engine] },
      probed: () => (ready ? { ready: true, detail: 'here' } : undefined),
    });
    assert.deepEqual([scene.view('a').state, scene.view('a').loadable], ['loading', false]);
    const waits = () => scene.logs.lines.some(({ fields }) => /still being checked/.test(String(fields.why)));
    while (!waits()) await turnOfTheLoop();
    ready = true;
    scene.enginesChanged.dispatchEvent(new Event('change'));
    await scene.until('a', is('loaded'));
  });
});

test('a caller that leaves does not stop the load that it has begun', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-300')] });
  const leaving = new AbortController();
  const ready = scene.models.ready('test-load-slow-300', leaving.signal);
  await scene.until('test-load-slow-300', is('loading'));
  leaving.abort(new Error('gone'));
  await assert.rejects(ready, { message: 'gone' });
  await scene.until('test-load-slow-300', is('loaded'));
  assert.deepEqual(await scene.models.ready('test-load-slow-300', never), { wasLoaded: true });
  assert.deepEqual(await scene.resident(), []);
});

test('many callers share one load', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('test-load-slow-100')] });
  const all = await Promise.all(Array.from({ length: 20 }, () => scene.models.ready('test-load-slow-100', never)));
  assert.ok(all.every(({ wasLoaded }) => !wasLoaded));
  assert.equal(scene.rig.host.models().length, 1);
  assert.equal(scene.logs.lines.filter(({ message }) => message === 'model loaded').length, 1);
});

test('a resident model whose engine dies is loaded again, but not for ever', async () => {
  await using scene = await openModelsRig({ entries: [testEntry('a')], extraEngines: [testEngine()] });
  await scene.models.load('a');
  for (let death = 1; death <= 4; death += 1) {
    await scene.until('a', is('loaded'));
    await assert.rejects(scene.rig.host.run(jobFor({ id: 'a' }, { exit: 3 }), ears()).done, { code: 'ENGINE_CRASHED' });
    await scene.until('a', (view) => view.state !== 'loaded');
  }
  await scene.until('a', is('unloaded'));
  assert.deepEqual([scene.view('a').resident, scene.rig.host.models()], [true, []]);
  assert.ok(scene.logs.lines.some(({ message }) => message === 'a resident model dies too often'));
  assert.deepEqual(await scene.models.ready('a', never), { wasLoaded: false });
});

describe('the catalogue', () => {
  test('a model is removed once it is unloaded, also while it loads', async () => {
    const slow = 'test-load-slow-60000';
    await using scene = await openModelsRig({ entries: [testEntry('a'), testEntry(slow)] });
    const removed: string[] = [];
    scene.models.changes.addEventListener('removed', (event) =>
      removed.push((event as CustomEvent<{ id: string }>).detail.id),
    );
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
    assert.equal(await scene.models.remove('a'), true);
    assert.equal(await scene.models.remove('a'), false);
    await scene.models.load(slow);
    await scene.until(slow, ({ progress }) => progress !== undefined);
    assert.equal(await scene.models.remove(slow), true);
    assert.deepEqual([removed, scene.models.list(), await scene.resident()], [['a', slow], [], []]);
    await scene.rig.until(() => scene.rig.host.models().length === 0);
  });

  test('a resident model that becomes another one is loaded anew, and the old one is let go', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('a')] });
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
    const [old] = scene.rig.host.models();
    await scene.models.put(testEntry('a', { vramGbEstimate: 2 }));
    assert.equal(scene.view('a').state, 'loaded', 'the same model, only its estimate differs');
    await scene.models.put(
      testEntry('a', { source: source({ cliDefaults: { cfgScale: 2, steps: 0, width: 0, height: 0 } }) }),
    );
    await scene.until('a', is('loaded'));
    await scene.rig.until(() => scene.rig.host.models().some(({ key, pinned }) => key !== old?.key && pinned));
    assert.ok(scene.rig.host.models().every(({ key, pinned }) => pinned === (key !== old?.key)));
    assert.deepEqual(await scene.resident(), ['a']);
  });

  test('a model that is disabled is unloaded, and no longer resident', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('a')] });
    await scene.models.load('a');
    await scene.until('a', is('loaded'));
    await scene.models.put(testEntry('a', { enabled: false }));
    await scene.until('a', is('unloaded'));
    assert.deepEqual([scene.view('a').loadable, await scene.resident()], [false, []]);
  });

  test('what a studio offers shows at once, and is never in the way of what is here', async () => {
    await using scene = await openModelsRig({ entries: [testEntry('mine')] });
    scene.models.learn(claim('mine', { modelSource: source({ engine: 'other' }) }));
    scene.models.learn(claim('theirs'));
    assert.deepEqual(
      scene.models.list().map(({ id, origin, source: { engine } }) => [id, origin, engine]),
      [
        ['mine', 'local', 'test'],
        ['theirs', 'studio', 'test'],
      ],
    );
    await scene.rig.host.run({ ...testJob({}, { model: 'theirs' }), source: source() }, ears()).done;
    await scene.until('theirs', is('loaded'));
    await scene.reopen();
    await scene.until('theirs', is('loaded'));
  });

  test('a model is picked by its id, or is the first enabled one of the kind', async () => {
    const entries = [
      testEntry('off', { enabled: false }),
      testEntry('a'),
      testEntry('b'),
      testEntry('i', { kind: 'image' }),
    ];
    await using scene = await openModelsRig({ entries });
    const { pick } = scene.models;
    assert.deepEqual([pick('llm').id, pick('llm', 'b').id, pick('image').id], ['a', 'b', 'i']);
    assert.throws(() => pick('llm', 'none'), { code: 'unknown_model', status: 404 });
    assert.throws(() => pick('llm', 'off'), { code: 'model_disabled', status: 400 });
    assert.throws(() => pick('llm', 'i'), { code: 'wrong_kind', status: 400 });
    assert.throws(() => pick('video'), { code: 'no_model', status: 400 });
  });
});
