// The waits between connections, and when the worker gives up.
import assert from 'node:assert/strict';
import test from 'node:test';
import { afterDisconnect, backoffMs } from '../../../src/supervisor/session/backoff.ts';

test('the wait doubles from one second to thirty', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 20, 5000].map(backoffMs);
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
});

function failuresUntilGivingUp(cap: number, limit: number): { attempts: number[]; gaveUp: boolean } {
  const attempts: number[] = [];
  for (let failures = 0; attempts.length < limit; ) {
    const next = afterDisconnect(failures, false, cap);
    if (next.do === 'give-up') return { attempts, gaveUp: true };
    failures = next.attempt;
    attempts.push(next.attempt);
  }
  return { attempts, gaveUp: false };
}

test('a cap of 5 means five retries, and the sixth failure ends it', () => {
  assert.deepEqual(failuresUntilGivingUp(5, 100), { attempts: [1, 2, 3, 4, 5], gaveUp: true });
});

test('a cap of 1 means one retry', () => {
  assert.deepEqual(failuresUntilGivingUp(1, 100), { attempts: [1], gaveUp: true });
});

test('a cap of 0 means without end', () => assert.equal(failuresUntilGivingUp(0, 10_000).gaveUp, false));

for (const failures of [0, 4, 5, 100]) {
  test(`a welcomed session after ${failures} failures starts the count anew`, () => {
    assert.deepEqual(afterDisconnect(failures, true, 5), { do: 'wait', attempt: 1, ms: 1000 });
  });
}
