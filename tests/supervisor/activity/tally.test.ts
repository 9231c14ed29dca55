// Counters and histograms before anybody asks for them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Histogram, Tally } from '../../../src/supervisor/activity/tally.ts';

test('a tally counts by label, and takes no amount that would make it fall or break', () => {
  const tally = new Tally();
  tally.add({ kind: 'llm' });
  tally.add({ kind: 'llm' }, 2);
  tally.add({ kind: 'image' }, 0);
  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) tally.add({ kind: 'llm' }, wrong);
  assert.deepEqual(tally.samples(), [
    { labels: { kind: 'llm' }, value: 3 },
    { labels: { kind: 'image' }, value: 0 },
  ]);
});

test('a histogram puts a value into the first bucket that holds it', () => {
  const histogram = new Histogram([1, 5]);
  for (const value of [0, 1, 1.5, 5, 6, Number.NaN]) histogram.observe({}, value);
  assert.deepEqual(histogram.spreads(), [{ labels: {}, buckets: [2, 2], sum: 13.5, count: 5 }]);
});

test('labels that never end do not fill the memory', () => {
  const tally = new Tally();
  const histogram = new Histogram([1]);
  for (let at = 0; at < 5_000; at += 1) {
    tally.add({ id: String(at) });
    histogram.observe({ id: String(at) }, 1);
  }
  assert.deepEqual([tally.samples().length, histogram.spreads().length], [1_000, 1_000]);
});
