import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { synthetic } from '../../src/engines/synthetic/descriptor.ts';
import type { Decision } from '../../src/workers/ledger.ts';
import { type AskedJob, engineFor, gib, judgePlace, type Place } from '../../src/workers/verdict.ts';
import { GIB, syntheticJob, testJob } from './rig.ts';

const engines = [synthetic, testEngine({ kinds: ['llm'] })];

test('a job finds its engine by the name in its source', () => {
  assert.equal(engineFor(engines, testJob()), engines.at(-1));
  assert.equal(engineFor(engines, syntheticJob('video')), engines[0]);
  assert.equal(engineFor(engines, syntheticJob('llm', '', { model: 'synthetic-llm' })), engines[0]);
});

describe('an engine is refused', () => {
  const cases: { name: string; job: AskedJob; code: string; why: string }[] = [
    {
      name: 'when the worker does not have it',
      job: syntheticJob('image', '', { engine: 'sd-cpp', model: 'flux' }),
      code: 'ENGINE_UNAVAILABLE',
      why: 'engine `sd-cpp` is not part of this worker; it has: synthetic, test',
    },
    {
      name: 'when it does not do the kind',
      job: testJob({}, { kind: 'image' }),
      code: 'KIND_UNSUPPORTED',
      why: 'test engine cannot serve image tasks',
    },
    {
      name: 'when it is synthetic and the model is not',
      job: syntheticJob('llm', '', { model: 'qwen3' }),
      code: 'MODEL_INVALID',
      why: 'synthetic engine has no model `qwen3` for llm tasks; it has: synthetic, synthetic-llm',
    },
    {
      name: 'when the synthetic model is of another kind',
      job: syntheticJob('llm', '', { model: 'synthetic-image' }),
      code: 'MODEL_INVALID',
      why: 'synthetic engine has no model `synthetic-image` for llm tasks; it has: synthetic, synthetic-llm',
    },
    {
      name: 'when it does chats alone',
      job: { ...testJob(), task: { kind: 'llm', operation: 'tokenize' } },
      code: 'KIND_UNSUPPORTED',
      why: 'test engine does not do `tokenize`',
    },
    {
      name: 'when it hears recordings alone',
      job: { ...syntheticJob('audio_stt', ''), task: { kind: 'audio_stt', operation: 'stream' } },
      code: 'KIND_UNSUPPORTED',
      why: 'synthetic engine cannot serve live speech',
    },
  ];
  for (const { name, job, code, why } of cases) {
    test(name, () => assert.deepEqual(engineFor(engines, job), { kind: 'never', code, why }));
  }
});

describe('a place is judged', () => {
  const none: Place = { kind: 'none', threads: 2, concurrency: 1 };
  const wait: Decision = { kind: 'wait', limit: 'device', freeBytes: GIB };
  const never: Decision = { kind: 'never', limit: 'pool', allowedBytes: 4 * GIB };
  const cases: { name: string; place: Place; decision: Decision; verdict: object }[] = [
    {
      name: 'ready where the model is warm, whatever the ledger says',
      place: { kind: 'warm' },
      decision: wait,
      verdict: { kind: 'ready' },
    },
    { name: 'ready where it fits', place: { kind: 'cold' }, decision: { kind: 'fits' }, verdict: { kind: 'ready' } },
    {
      name: 'ready where idle models can go',
      place: { kind: 'cold' },
      decision: { kind: 'evict', keys: ['a'] },
      verdict: { kind: 'ready' },
    },
    {
      name: 'busy without a free place',
      place: none,
      decision: { kind: 'fits' },
      verdict: { kind: 'busy', why: 'no free place in the llm pool (2 threads)' },
    },
    {
      name: 'busy while others hold the memory',
      place: { kind: 'cold' },
      decision: wait,
      verdict: {
        kind: 'busy',
        why: 'memory is held by models at work: needs 6.0 GiB, 1.0 GiB free on the device',
        memory: { neededBytes: 6 * GIB, freeBytes: GIB, marginBytes: 0 },
      },
    },
    {
      name: 'never when too large, though the pool is busy too',
      place: none,
      decision: never,
      verdict: {
        kind: 'never',
        code: 'MODEL_TOO_LARGE',
        why: 'model `test-a` needs 6.0 GiB, the llm pool may use 4.0 GiB',
      },
    },
    {
      name: 'never when larger than the device',
      place: { kind: 'cold' },
      decision: { kind: 'never', limit: 'device', allowedBytes: 5.25 * GIB },
      verdict: {
        kind: 'never',
        code: 'MODEL_TOO_LARGE',
        why: 'model `test-a` needs 6.0 GiB, this device may use 5.25 GiB',
      },
    },
  ];
  for (const { name, place, decision, verdict } of cases) {
    test(name, () => assert.deepEqual(judgePlace(testJob({}, { gib: 6 }), place, decision), verdict));
  }
});

test('sizes are said in GiB', () => {
  assert.deepEqual([0, GIB, 1.05 * GIB].map(gib), ['0.0 GiB', '1.0 GiB', '1.05 GiB']);
});
