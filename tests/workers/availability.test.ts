// Engines that do not work here: not ready, not promised, and refused in words that help.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { ROSTER } from '../../src/engines/roster.ts';
import { allEngines } from '../../src/workers/all-engines.ts';
import type { ProbeReport } from '../../src/workers/types.ts';
import { engineFor } from '../../src/workers/verdict.ts';
import { ears, openRig, syntheticJob, testJob } from './rig.ts';

const probedEngine = testEngine({ probeUrl: 'file:///probe.ts' });
const MISSING: ProbeReport = { ready: false, detail: 'no libtest.so', remedy: 'apt install libtest' };

test('a job for an engine that is not ready is refused for good, with what to install', async () => {
  await using rig = await openRig({ extraEngines: [probedEngine], probed: () => MISSING });
  const why = 'engine `test` does not work here: no libtest.so; to mend it: apt install libtest';
  assert.deepEqual(rig.host.verdict(testJob()), { kind: 'never', code: 'ENGINE_UNAVAILABLE', why });
  await assert.rejects(rig.host.run(testJob(), ears()).done, { code: 'ENGINE_UNAVAILABLE', retryable: false });
  assert.equal(rig.host.verdict(syntheticJob('llm')).kind, 'ready', 'others are not held up');
});

test('a job for an engine that was not checked yet is for later', async () => {
  await using rig = await openRig({ extraEngines: [probedEngine], probed: () => undefined });
  assert.deepEqual(rig.host.verdict(testJob()), { kind: 'busy', why: 'engine `test` is still being checked' });
  await assert.rejects(rig.host.run(testJob(), ears()).done, { retryable: true });
});

test('slots and engines follow what is ready, from one moment to the next', async () => {
  let report: ProbeReport | undefined;
  const engine = testEngine({ id: 'only-video', kinds: ['video'], probeUrl: 'file:///probe.ts' });
  await using rig = await openRig({ extraEngines: [engine], probed: (id) => (id === 'only-video' ? report : MISSING) });
  const ids = () => rig.host.readyEngines().map(({ id }) => id);
  assert.deepEqual(ids(), ['synthetic']);
  report = { ready: true, detail: 'there it is' };
  assert.deepEqual(ids(), ['synthetic', 'only-video']);
  assert.ok(rig.host.engines.length >= 2);
});

test('an operator’s engine replaces the built-in one of the same id', () => {
  const own = testEngine({ id: 'synthetic' });
  const engines = allEngines([own]);
  assert.equal(engines.length, ROSTER.length);
  assert.equal(
    engines.find(({ id }) => id === 'synthetic'),
    own,
  );
});

test('upstream’s streaming engine is refused with what to use instead', () => {
  const answer = engineFor(allEngines([]), syntheticJob('audio_stt', 'x', { engine: 'parakeet' }));
  assert.ok('why' in answer);
  assert.match(answer.why, /`parakeet` is not part of this worker.*use `sherpa-stream`.*`whisper-cpp`/);
});
