// When a model rests: three failures in a row of one (kind, model), counting only what says something about the model.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FAILURES, type FailureCode } from '../../../src/protocol/index.ts';
import { Breaker } from '../../../src/supervisor/jobs/breaker.ts';

const REST_MS = 180_000;

test('the third failure in a row rests the model for three minutes', () => {
  const breaker = new Breaker();
  assert.equal(breaker.failed('image', 'm', 'ENGINE_FAILED', 1000), undefined);
  assert.equal(breaker.failed('image', 'm', 'ENGINE_CRASHED', 2000), undefined);
  assert.equal(breaker.restingUntilMs('image', 'm'), undefined);
  assert.equal(breaker.failed('image', 'm', 'ENGINE_HUNG', 3000), REST_MS);
  assert.equal(breaker.restingUntilMs('image', 'm'), 3000 + REST_MS);
});

test('a success in between starts the count anew', () => {
  const breaker = new Breaker();
  breaker.failed('llm', 'm', 'INTERNAL', 0);
  breaker.failed('llm', 'm', 'INTERNAL', 0);
  breaker.succeeded('llm', 'm');
  assert.equal(breaker.failed('llm', 'm', 'INTERNAL', 0), undefined);
  assert.equal(breaker.failed('llm', 'm', 'INTERNAL', 0), undefined);
  assert.equal(breaker.failed('llm', 'm', 'INTERNAL', 0), REST_MS);
});

test('after its rest one more failure is enough, and a success forgives everything', () => {
  const breaker = new Breaker();
  for (let count = 0; count < 3; count += 1) breaker.failed('video', 'm', 'VRAM_EXHAUSTED', 0);
  assert.equal(breaker.failed('video', 'm', 'VRAM_EXHAUSTED', REST_MS + 1), REST_MS);
  breaker.succeeded('video', 'm');
  assert.equal(breaker.restingUntilMs('video', 'm'), undefined);
  assert.equal(breaker.failed('video', 'm', 'VRAM_EXHAUSTED', REST_MS + 2), undefined);
});

test('kinds and models are counted apart, also when their names run together', () => {
  const breaker = new Breaker();
  for (let count = 0; count < 3; count += 1) breaker.failed('image', 'm', 'MODEL_INVALID', 0);
  for (const [kind, model] of [
    ['llm', 'm'],
    ['image', 'other'],
    ['image', 'm '],
  ] as const) {
    assert.equal(breaker.restingUntilMs(kind, model), undefined);
    assert.equal(breaker.failed(kind, model, 'MODEL_INVALID', 0), undefined);
  }
});

const counted: FailureCode[] = [
  'MODEL_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_CORRUPT',
  'DOWNLOAD_FAILED',
  'DISK_FULL',
  'MODELS_UNWRITABLE',
  'VRAM_EXHAUSTED',
  'ENGINE_FAILED',
  'ENGINE_CRASHED',
  'ENGINE_HUNG',
  'INTERNAL',
];
for (const code of Object.keys(FAILURES) as FailureCode[]) {
  test(`${code} ${counted.includes(code) ? 'counts' : 'says nothing about the model'}`, () => {
    const breaker = new Breaker();
    const rests = [1, 2, 3].map((nowMs) => breaker.failed('image', 'm', code, nowMs));
    assert.deepEqual(rests, [undefined, undefined, counted.includes(code) ? REST_MS : undefined]);
  });
}

test('only the 256 models that failed last are remembered', () => {
  const breaker = new Breaker();
  const fail = (model: string): number | undefined => breaker.failed('image', model, 'ENGINE_FAILED', 0);
  for (let count = 0; count < 3; count += 1) fail('first');
  fail('second');
  for (let index = 0; index < 254; index += 1) fail(`model-${index}`);
  assert.notEqual(breaker.restingUntilMs('image', 'first'), undefined);
  // One failure more makes it the last to be forgotten, so the next new model pushes out the second.
  fail('first');
  fail('one too many');
  assert.notEqual(breaker.restingUntilMs('image', 'first'), undefined);
  fail('second');
  assert.equal(fail('second'), undefined);
  assert.equal(fail('second'), REST_MS);
});
