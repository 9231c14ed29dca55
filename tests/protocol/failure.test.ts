// The table of failures, and that a failure keeps its code across a thread boundary.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FAILURES, Failure, type FailureCode, isFailureCode, toFailure } from '../../src/protocol/index.ts';

test('the table says which failures may be tried again; changing it changes the contract', () => {
  const retryable = Object.entries(FAILURES).map(([code, row]) => `${code} ${row.retryable}`);
  assert.deepEqual(retryable, [
    'INPUT_INVALID false',
    'KIND_UNSUPPORTED false',
    'ENGINE_UNAVAILABLE false',
    'MODEL_SOURCE_MISSING false',
    'MODEL_INVALID false',
    'ADDRESS_REFUSED false',
    'MODEL_NOT_FOUND false',
    'MODEL_CORRUPT true',
    'DOWNLOAD_FAILED true',
    'DISK_FULL true',
    'MODELS_UNWRITABLE true',
    'MODEL_TOO_LARGE false',
    'VRAM_EXHAUSTED true',
    'ENGINE_FAILED true',
    'ENGINE_CRASHED true',
    'ENGINE_HUNG true',
    'CANCELLED false',
    'MODEL_UNLOADED true',
    'SHUTDOWN true',
    'QUEUE_FULL true',
    'DEADLINE_PASSED true',
    'OUTBOX_UNWRITABLE true',
    'DELIVERY_FAILED true',
    'INTERNAL true',
  ]);
});

for (const code of Object.keys(FAILURES) as FailureCode[]) {
  test(`${code} keeps code, message and verdict across structuredClone`, () => {
    const failure = new Failure(code, 'what happened', { cause: new Error('why') });
    assert.equal(failure.retryable, FAILURES[code].retryable);
    assert.equal(failure.name, 'Failure');
    // What a port carries: an own `code` beside the message.
    const arrived = structuredClone({ code: failure.code, message: failure.message });
    const again = toFailure(arrived, 'INTERNAL');
    assert.ok(again instanceof Failure);
    assert.deepEqual([again.code, again.message, again.retryable], [code, 'what happened', failure.retryable]);
  });
}

test('an error whose class was lost on the way is told by its code', () => {
  const lost = Object.assign(new Error('no memory'), { code: 'VRAM_EXHAUSTED' });
  assert.equal(toFailure(lost, 'INTERNAL').code, 'VRAM_EXHAUSTED');
  assert.equal(toFailure(lost, 'INTERNAL').cause, lost);
});

test('a failure is passed on as it is', () => {
  const failure = new Failure('CANCELLED', 'stop');
  assert.equal(toFailure(failure, 'INTERNAL'), failure);
});

const others: [string, unknown, string][] = [
  ['an ordinary error', new Error('boom'), 'boom'],
  ['an error of the system', Object.assign(new Error('no file'), { code: 'ENOENT' }), 'no file'],
  ['an error with an inherited name as code', Object.assign(new Error('odd'), { code: 'constructor' }), 'odd'],
  ['a failure with a code that is none', new Failure('NO_SUCH_CODE' as 'INTERNAL', 'odd'), 'odd'],
  ['an error without a message', new Error(''), 'Error'],
  ['a text', 'just text', 'just text'],
  ['undefined', undefined, 'undefined'],
  ['null', null, 'null'],
];
for (const [what, thrown, message] of others) {
  test(`${what} becomes the fallback`, () => {
    const failure = toFailure(thrown, 'ENGINE_FAILED');
    assert.deepEqual([failure.code, failure.message], ['ENGINE_FAILED', message]);
  });
}

test('only the codes of the table are codes', () => {
  assert.ok(isFailureCode('INTERNAL'));
  for (const other of ['internal', 'toString', '__proto__', '', 7, undefined])
    assert.equal(isFailureCode(other), false);
});
