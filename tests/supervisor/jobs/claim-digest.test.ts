// Which offers ask for the same work.
import assert from 'node:assert/strict';
import test from 'node:test';
import { JobClaim } from '../../../src/protocol/index.ts';
import { claimDigest } from '../../../src/supervisor/jobs/claim-digest.ts';
import { claim, modelSource } from '../../protocol/samples.ts';

const digest = (change: Record<string, unknown>): string => claimDigest(JobClaim.parse({ ...claim, ...change }));
const task = { kind: 'image', prompt: 'a fox' };

test('a digest is 64 hex digits', () => assert.match(claimDigest(claim), /^[0-9a-f]{64}$/));

const same: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ['another order of fields', { task }, { task: { prompt: 'a fox', kind: 'image' } }],
  ['a default that is written out', { task }, { task: { ...task, width: 512, ext: 'webp' } }],
  ['null for absent', { task }, { task: { ...task, seed: null } }],
  ['an unknown field', { task }, { task: { ...task, later: 1 } }],
  ['another memory estimate', {}, { vramGbEstimate: 3 }],
  ['another game and asset', {}, { gameId: 'g2', assetName: 'a2' }],
  ['another job id', {}, { jobId: 'job-8' }],
];
for (const [what, one, other] of same) {
  test(`${what} is the same work`, () => assert.equal(digest(one), digest(other)));
}

const different: [string, Record<string, unknown>][] = [
  ['another prompt', { task: { ...claim.task, prompt: 'an owl' } }],
  ['a seed', { task: { ...claim.task, seed: 43 } }],
  ['another kind', { task: { kind: 'video', prompt: 'a fox' } }],
  ['another model', { model: 'other.gguf' }],
  ['another engine', { modelSource: { ...modelSource, engine: 'onnx' } }],
  ['another file', { modelSource: { ...modelSource, files: [] } }],
  [
    'another default of the model',
    { modelSource: { ...modelSource, cliDefaults: { ...modelSource.cliDefaults, steps: 9 } } },
  ],
];
for (const [what, change] of different) {
  test(`${what} is other work`, () => assert.notEqual(digest(change), digest({})));
}
