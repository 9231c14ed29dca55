import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogEntry } from '../../../src/protocol/index.ts';
import { openRing } from '../../../src/supervisor/logs/ring.ts';

const entry = (message: string): LogEntry => ({ ts: '', level: 'info', category: 'test', message });

test('a reader gets what is newer than the last number it saw', () => {
  const ring = openRing(3);
  assert.deepEqual(ring.after(0), []);
  for (const message of ['a', 'b', 'c', 'd']) ring.push(entry(message));
  const seen = (seq: number) => ring.after(seq).map((each) => `${each.seq}${each.message}`);
  assert.equal(ring.newestSeq, 4);
  assert.equal(ring.size, 3);
  assert.deepEqual(seen(0), ['2b', '3c', '4d']);
  assert.deepEqual(seen(2), ['3c', '4d']);
  assert.deepEqual(seen(4), []);
  assert.deepEqual(seen(-7), ['2b', '3c', '4d']);
  assert.deepEqual(seen(99), ['2b', '3c', '4d'], 'a number of an earlier process gives everything');
});

test('whatever is pushed, the ring holds the newest entries with rising numbers', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.integer({ min: 1, max: 20 }), fc.nat({ max: 100 }), (messages, max, seq) => {
      const ring = openRing(max);
      for (const message of messages) ring.push(entry(message));
      const all = messages.map((message, index) => ({ ...entry(message), seq: index + 1 })).slice(-max);
      assert.equal(ring.size, all.length);
      assert.deepEqual(ring.after(seq), seq > messages.length ? all : all.filter((each) => each.seq > seq));
    }),
  );
});
