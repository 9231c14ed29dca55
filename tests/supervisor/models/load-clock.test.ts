import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atRatio, inPhase, type LoadClock, readClock, startClock } from '../../../src/supervisor/models/load-clock.ts';

test('nothing is said before anything is known', () => {
  assert.deepEqual(readClock(startClock(0, undefined), 60_000), { phase: 'loading' });
  const fetching = inPhase(startClock(0, undefined), 'fetching', 0);
  assert.deepEqual(readClock(fetching, 60_000), { phase: 'fetching' });
  // One ratio is no pace, and neither are two within a moment.
  const one = atRatio(fetching, 0.4, 1_000);
  assert.deepEqual(readClock(one, 9_000), { phase: 'fetching', progress: 0.4 });
  assert.deepEqual(readClock(atRatio(one, 0.5, 1_100), 1_200), { phase: 'fetching', progress: 0.5 });
});

test('a download that goes on from earlier is judged by what has come since', () => {
  let clock = inPhase(startClock(0, undefined), 'fetching', 0);
  clock = atRatio(clock, 0.8, 100);
  clock = atRatio(clock, 0.9, 10_100);
  assert.deepEqual(readClock(clock, 10_100), { phase: 'fetching', progress: 0.9, etaSeconds: 10 });
  // It has stood still since, so it will take longer than it seemed.
  assert.equal(readClock(clock, 20_100).etaSeconds, 20);
});

test('after a fetch comes the load, as long as it took before', () => {
  let clock = inPhase(startClock(0, 4_000), 'fetching', 0);
  clock = atRatio(atRatio(clock, 0, 0), 0.5, 10_000);
  assert.equal(readClock(clock, 10_000).etaSeconds, 14);
  clock = inPhase(clock, 'loading', 20_000);
  assert.deepEqual(readClock(clock, 21_000), { phase: 'loading', etaSeconds: 3 });
  // Longer than the last time: it cannot be long now, but who knows.
  assert.equal(readClock(clock, 60_000).etaSeconds, 1);
  assert.equal(inPhase(clock, 'loading', 30_000), clock, 'the same phase goes on');
});

test('ratios stay between 0 and 1, never go back and are never nonsense', () => {
  let clock: LoadClock = startClock(0, undefined);
  const seen: (number | undefined)[] = [];
  for (const ratio of [-1, 0.3, 0.2, Number.NaN, Number.POSITIVE_INFINITY, 0.4, 7, 0.5]) {
    clock = atRatio(clock, ratio, 1);
    seen.push(readClock(clock, 1).progress);
  }
  assert.deepEqual(seen, [0, 0.3, 0.3, 0.3, 0.3, 0.4, 1, 1]);
});
