// Which engines a worker has: the built-in ones, the operator's own, or the few that the operator named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { ROSTER } from '../../src/engines/roster.ts';
import { allEngines } from '../../src/workers/all-engines.ts';
import { ears, openRig, syntheticJob } from './rig.ts';

const ids = (...args: Parameters<typeof allEngines>): string[] => allEngines(...args).map(({ id }) => id);

test('the operator’s engines follow the built-in ones, and replace those of the same id', () => {
  const builtIn = ROSTER.map(({ id }) => id);
  assert.deepEqual(ids([]), builtIn);
  assert.deepEqual(ids([testEngine()]), [...builtIn, 'test']);
  const own = testEngine({ id: 'synthetic' });
  assert.deepEqual(ids([own]), builtIn);
  assert.equal(
    allEngines([own]).find(({ id }) => id === 'synthetic'),
    own,
  );
});

test('with a list of wanted engines there are no others', () => {
  assert.deepEqual(ids([testEngine()], ['test', 'onnx', 'misspelt']), ['onnx', 'test']);
  assert.deepEqual(ids([], []), []);
});

test('a job for an engine that is not wanted is refused', async () => {
  await using rig = await openRig({ extraEngines: [testEngine()], onlyEngines: ['test'] });
  const run = rig.host.run(syntheticJob('llm'), ears());
  await assert.rejects(run.done, { code: 'ENGINE_UNAVAILABLE' });
});
