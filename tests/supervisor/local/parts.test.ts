// The small decisions around local jobs: who is next, when to come back, what is kept of a result.
import assert from 'node:assert/strict';
import test from 'node:test';
import { openCollector } from '../../../src/supervisor/local/collect.ts';
import { isListed, promptOf } from '../../../src/supervisor/local/prompt-of.ts';
import { type Answer, nextOf, PASSES_MAX } from '../../../src/supervisor/local/queue.ts';
import { averageWith, retryAfterSecs } from '../../../src/supervisor/local/retry-after.ts';
import { weightOf } from '../../../src/supervisor/local/weight.ts';
import { task } from '../../workers/rig.ts';

const queueOf = (...models: string[]) => models.map((model, at) => ({ name: `${model}${at}`, model, passed: 0 }));
const answering =
  (answers: Record<string, Answer>, asked: string[] = []) =>
  ({ name, model }: { name: string; model: string }): Answer => {
    asked.push(name);
    return answers[model] ?? 'wait';
  };

test('the first that can start goes first', () => {
  const queue = queueOf('a', 'a', 'b');
  assert.equal(nextOf(queue, answering({ a: 'start', b: 'start' }))?.waiter, queue[0]);
  assert.equal(nextOf([], answering({})), undefined);
});

test('one that cannot start yet is passed by another model, and its own kind is not even asked', () => {
  const queue = queueOf('big', 'big', 'warm');
  const asked: string[] = [];
  const next = nextOf(queue, answering({ warm: 'start' }, asked));
  assert.deepEqual([next, asked], [{ waiter: queue[2], answer: 'start' }, ['big0', 'warm2']]);
});

test('the first is passed a few times, then everybody waits for it', () => {
  const queue = queueOf('big', ...Array.from({ length: 50 }, () => 'warm'));
  let passes = 0;
  for (let next = nextOf(queue, answering({ warm: 'start' })); next !== undefined; passes += 1) {
    queue.splice(queue.indexOf(next.waiter), 1);
    next = nextOf(queue, answering({ warm: 'start' }));
  }
  assert.equal(passes, PASSES_MAX);
  assert.equal(nextOf(queue, answering({ big: 'start', warm: 'start' }))?.waiter.model, 'big');
});

test('one that can never run is told so, wherever it stands, and passes nobody', () => {
  const queue = queueOf('big', 'absurd');
  assert.deepEqual(nextOf(queue, answering({ absurd: 'refuse' })), { waiter: queue[1], answer: 'refuse' });
  assert.equal(queue[0]?.passed, 0);
});

const hints: [number, number | undefined, number, number][] = [
  [128, undefined, 1, 2],
  [128, 100, 4, 4],
  [128, 10_000, 1, 60],
  [10, 1_500, 1, 15],
  [10, 1_500, 0, 15],
];
for (const [waiting, runMs, places, secs] of hints) {
  test(`${waiting} waiting jobs of ${runMs} ms in ${places} places: try again in ${secs} s`, () => {
    assert.equal(retryAfterSecs(waiting, runMs, places), secs);
  });
}

test('a task weighs what its texts take, however deep they lie', () => {
  assert.equal(
    weightOf({ kind: 'image', width: 64, initImageUrl: 'x'.repeat(1_000), messages: [{ content: 'abc' }] }),
    1_008,
  );
  for (const nothing of [undefined, null, 7, [], {}]) assert.equal(weightOf(nothing), 0);
});

test('the average follows the latest runs', () => {
  assert.equal(averageWith(undefined, 100), 100);
  assert.equal(averageWith(100, 200), 125);
});

test('a result is put together in order, and one that grows too large is refused', () => {
  const collector = openCollector(8);
  collector.add(Buffer.from('one '));
  collector.add(Buffer.from('two'));
  assert.equal(Buffer.from(collector.bytes()).toString(), 'one two');
  assert.equal(openCollector().bytes().byteLength, 0);
  const small = openCollector(3);
  assert.throws(() => small.add(Buffer.from('four')), { code: 'INPUT_INVALID', message: /larger than 0 MiB/ });
  assert.equal(small.bytes().byteLength, 0);
});

test('a local job is listed with its own words, wherever its task keeps them', () => {
  assert.equal(promptOf(task('image', 'a fox')), 'a fox');
  assert.equal(promptOf({ kind: 'audio_stt', operation: 'stream' } as Parameters<typeof promptOf>[0]), '');
  const operations = { embed: { texts: ['one', 'two'] }, tokenize: { text: 'three' }, complete: { prompt: 'four' } };
  const seen = Object.entries(operations).map(([operation, fields]) => {
    const asked = { kind: 'llm', operation, ...fields } as unknown as Parameters<typeof promptOf>[0];
    return [promptOf(asked), isListed(asked)];
  });
  assert.deepEqual(seen, [
    ['one', true],
    ['three', false],
    ['four', true],
  ]);
});
