import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../src/protocol/index.ts';
import { ApiError, answerOf, type ProblemForm, problemOf } from '../../../src/supervisor/api/problem.ts';
import { ModelError } from '../../../src/supervisor/models/types.ts';

const FULL = Object.assign(new Failure('QUEUE_FULL', 'full'), { retryAfterSecs: 9 });
const LOADING = new ApiError({
  ...{ status: 503, code: 'model_loading', message: 'wait', retryAfterSecs: 5 },
  fields: { loading: { state: 'loading', progress: 0.5, etaSeconds: 5 } },
});

test('each failure has its status, in each form', () => {
  const rows: [Error, Record<ProblemForm, number>, string | undefined][] = [
    [new Failure('INPUT_INVALID', 'x'), { text: 400, json: 400, openai: 400 }, undefined],
    [new Failure('KIND_UNSUPPORTED', 'x'), { text: 400, json: 400, openai: 400 }, undefined],
    [new Failure('ENGINE_CRASHED', 'x'), { text: 500, json: 500, openai: 500 }, undefined],
    [new Failure('DEADLINE_PASSED', 'x'), { text: 504, json: 504, openai: 504 }, undefined],
    [new Failure('SHUTDOWN', 'x'), { text: 503, json: 503, openai: 503 }, '2'],
    [FULL, { text: 503, json: 503, openai: 429 }, '9'],
    [LOADING, { text: 503, json: 503, openai: 503 }, '5'],
    [new ModelError('unknown_model', 404, 'x'), { text: 400, json: 404, openai: 404 }, undefined],
    [new ModelError('no_model', 400, 'x'), { text: 400, json: 400, openai: 404 }, undefined],
    [new ModelError('wrong_kind', 400, 'x'), { text: 400, json: 400, openai: 400 }, undefined],
    [new ModelError('insufficient_memory', 409, 'x'), { text: 409, json: 409, openai: 409 }, undefined],
  ];
  for (const [thrown, statuses, retryAfter] of rows) {
    const problem = problemOf(thrown);
    assert.ok(problem);
    for (const form of ['text', 'json', 'openai'] as const) {
      const { status, headers } = answerOf(problem, form);
      assert.deepEqual([status, headers['retry-after']], [statuses[form], retryAfter], `${problem.code} as ${form}`);
    }
  }
  assert.equal(problemOf(new Error('a mistake of ours')), undefined);
});

test('the three forms of an answer', () => {
  const problem = problemOf(new ModelError('insufficient_memory', 409, 'too big', { details: { neededGib: 8 } }));
  assert.ok(problem);
  assert.equal(answerOf(problem, 'text').body, 'too big');
  assert.deepEqual(JSON.parse(answerOf(problem, 'json').body), {
    ...{ error: 'insufficient_memory', message: 'too big', neededGib: 8 },
  });
  assert.deepEqual(JSON.parse(answerOf(problem, 'openai').body), {
    error: { message: 'too big', type: 'invalid_request_error', param: null, code: 'insufficient_memory' },
    neededGib: 8,
  });
  const late = problemOf(new Failure('DEADLINE_PASSED', 'whatever'));
  assert.equal(late?.message, 'deadline passed: the caller stopped waiting');
});

test('how far a load is, is told as JSON also where errors are plain text', () => {
  const { headers, body } = answerOf(LOADING.problem, 'text');
  assert.equal(headers['content-type'], 'application/json');
  assert.deepEqual(JSON.parse(body).loading, { state: 'loading', progress: 0.5, etaSeconds: 5 });
});
