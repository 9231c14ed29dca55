// Whatever is asked in whatever order, in the end what is said of the models is what the host holds and what is on disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ears, GIB, testJob } from '../../workers/rig.ts';
import { type ModelsRig, openModelsRig, testEntry } from './models-rig.ts';
import { source } from './samples.ts';

const IDS = ['a', 'b', 'c', 'test-load-slow-30', 'test-load-missing'] as const;
// Two share a group, and not all of them fit at a time.
const ENTRIES = [
  testEntry('a', { vramGbEstimate: 3, exclusiveGroup: 'g' }),
  testEntry('b', { vramGbEstimate: 3, exclusiveGroup: 'g' }),
  testEntry('c', { vramGbEstimate: 3 }),
  testEntry('test-load-slow-30', { vramGbEstimate: 3 }),
  testEntry('test-load-missing', { vramGbEstimate: 1 }),
];

type Move = { what: 'load' | 'unload' | 'ready' | 'job' | 'leave'; id: (typeof IDS)[number] };

const move = fc.record<Move>({
  what: fc.constantFrom('load', 'unload', 'ready', 'job', 'leave'),
  id: fc.constantFrom(...IDS),
});

async function make({ models, rig }: ModelsRig, { what, id }: Move): Promise<void> {
  const { signal } = new AbortController();
  if (what === 'load') await models.load(id);
  else if (what === 'unload') await models.unload(id);
  else if (what === 'ready') await models.ready(id, signal);
  else if (what === 'leave') await models.ready(id, AbortSignal.timeout(5));
  else await rig.host.run({ ...testJob({}, { model: id, gib: 3 }), source: source() }, ears()).done;
}

const isSettled = ({ state }: { state: string }): boolean => state !== 'loading' && state !== 'unloading';

test('a storm of requests leaves everything as it is said to be', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 12 }), async (moves) => {
      await using scene = await openModelsRig({ entries: ENTRIES, pool: { threads: 2, vramBytes: 8 * GIB } });
      const { models, rig } = scene;
      // Refusals and failures are answers as well; what matters is what is left.
      await Promise.allSettled(moves.map((each) => make(scene, each)));
      for (const id of IDS) await scene.until(id, isSettled);
      await rig.until(() => rig.host.models().every((model) => model.state === 'loaded' && model.runs === 0));
      // The host has been heard to the end.
      for (const id of IDS) await scene.until(id, isSettled);

      const held = rig.host.models();
      const views = models.list();
      const loaded = views.filter(({ state }) => state === 'loaded').map(({ id }) => id);
      // Jobs at the same time may have had an instance each; loads never have.
      assert.deepEqual([...new Set(held.map(({ model }) => model))].sort(), loaded.sort());
      assert.ok(held.length === new Set(held.map(({ key }) => key)).size || moves.some(({ what }) => what === 'job'));
      const resident = views.filter((view) => view.resident).map(({ id }) => id);
      assert.deepEqual(await scene.resident(), resident.sort());
      for (const { model, pinned } of held) assert.equal(pinned, resident.includes(model), model);
      const { reservedBytes } = await rig.host.memory();
      assert.equal(
        reservedBytes,
        held.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      assert.ok(reservedBytes <= 8 * GIB);
      assert.ok(!(resident.includes('a') && resident.includes('b')), 'one of a group');
    }),
    { numRuns: 6, endOnFailure: true },
  );
});
