import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogEntry } from '../../../src/protocol/index.ts';
import { openShipQueue, SHIP_ENTRIES_MAX } from '../../../src/supervisor/logs/ship-queue.ts';

const entry = (message: string): LogEntry => ({ ts: '', level: 'info', category: 'test', message });
const messages = (entries: LogEntry[]): string[] => entries.map((each) => each.message);

test('entries leave in the order in which they came', () => {
  const queue = openShipQueue(10);
  for (const message of ['a', 'b', 'c']) queue.push(entry(message));
  assert.deepEqual(messages(queue.take(2)), ['a', 'b']);
  assert.deepEqual(messages(queue.take(5)), ['c']);
  assert.deepEqual(queue.take(5), []);
});

test('an overflow drops the oldest, and one entry says how many', () => {
  const at = new Date('2026-01-02T03:04:05.678Z');
  const queue = openShipQueue(3, () => at);
  for (const message of ['a', 'b', 'c', 'd', 'e']) queue.push(entry(message));
  assert.equal(queue.size, 3);
  assert.deepEqual(queue.take(9), [
    {
      ts: '2026-01-02T03:04:05.678Z',
      level: 'warn',
      category: 'logs',
      message: 'ship queue full (3 entries); dropped 3 oldest',
    },
    entry('d'),
    entry('e'),
  ]);
  queue.push(entry('f'));
  assert.deepEqual(messages(queue.take(9)), ['f'], 'it is said once');
});

test('the real queue holds what the contract says', () => {
  const queue = openShipQueue();
  for (let index = 0; index < SHIP_ENTRIES_MAX + 100; index += 1) queue.push(entry(String(index)));
  assert.equal(queue.size, 5000);
  const all = queue.take(6000);
  assert.equal(all[0]?.message, 'ship queue full (5000 entries); dropped 101 oldest');
  assert.equal(all.length, 5000);
  assert.equal(all.at(-1)?.message, '5099');
});

test('a batch that was not sent goes back to the front, clipped from the oldest without a word', () => {
  const queue = openShipQueue(4);
  for (const message of ['a', 'b', 'c']) queue.push(entry(message));
  const batch = queue.take(3);
  queue.push(entry('d'));
  queue.push(entry('e'));
  queue.putBack(batch);
  assert.deepEqual(messages(queue.take(9)), ['b', 'c', 'd', 'e']);
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: 'push' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const), max: fc.nat({ max: 12 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'putBack' as const }) },
);

test('whatever happens to it, the queue stays bounded, ordered and honest about every loss', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 2, max: 8 }), (steps, max) => {
      const queue = openShipQueue(max);
      let pushed = 0;
      let last: LogEntry[] = [];
      for (const each of steps) {
        if (each.do === 'push') {
          pushed += 1;
          queue.push(entry(String(pushed)));
        } else if (each.do === 'take') last = queue.take(each.max);
        else {
          queue.putBack(last);
          last = [];
        }
        assert.ok(queue.size <= max);
      }
      const numbers = queue.take(max).flatMap((left) => (left.category === 'test' ? [Number(left.message)] : []));
      for (const [index, number] of numbers.entries()) {
        if (index > 0) assert.ok(number > (numbers[index - 1] ?? 0), numbers.join());
      }
      if (numbers.length > 0 && last.length === 0) assert.equal(numbers.at(-1), pushed);
    }),
  );
});
