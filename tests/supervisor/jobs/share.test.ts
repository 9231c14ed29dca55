// Whose turn it is, by tables.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { TaskKind } from '../../../src/protocol/index.ts';
import {
  ended,
  mayStart,
  NOTHING_SHARED,
  type Party,
  type ShareState,
  started,
  type Want,
  wants,
} from '../../../src/supervisor/jobs/share.ts';

const forPlace: Want = { kind: 'llm', memory: false, ready: false };
const forMemory: Want = { ...forPlace, memory: true };
const ready: Want = { ...forPlace, ready: true };

type Facts = {
  lastServed?: Partial<Record<TaskKind, Party>>;
  running?: Partial<Record<Party, TaskKind[]>>;
  wants?: Partial<Record<Party, Want[]>>;
};

function state({ lastServed = {}, running = {}, wants = {} }: Facts): ShareState {
  return { lastServed, running: { studio: [], local: [], ...running }, wants: { studio: [], local: [], ...wants } };
}

const table: [string, Facts, Party, TaskKind, boolean][] = [
  ['nobody wants anything', {}, 'studio', 'llm', true],
  ['the other runs, and wants nothing', { running: { local: ['llm'] } }, 'studio', 'llm', true],
  [
    'it was served last, and the other waits for its place',
    { lastServed: { llm: 'studio' }, running: { studio: ['llm'] }, wants: { local: [forPlace] } },
    'studio',
    'llm',
    false,
  ],
  [
    'the other waits, and was served last',
    { lastServed: { llm: 'local' }, running: { studio: ['llm'] }, wants: { local: [forPlace] } },
    'studio',
    'llm',
    true,
  ],
  [
    'the other waits for a place of another kind',
    { lastServed: { llm: 'studio' }, running: { studio: ['llm', 'image'] }, wants: { local: [forPlace] } },
    'studio',
    'image',
    true,
  ],
  [
    'the other waits for memory, which any kind holds',
    { lastServed: { llm: 'studio' }, running: { studio: ['image'] }, wants: { local: [forMemory] } },
    'studio',
    'image',
    false,
  ],
  [
    'standing back would not help: what the other waits for is held by nobody here',
    { lastServed: { llm: 'studio' }, running: { local: ['llm'] }, wants: { local: [forPlace] } },
    'studio',
    'llm',
    true,
  ],
  [
    'standing back would not help: only another kind runs',
    { lastServed: { llm: 'studio' }, running: { studio: ['image'] }, wants: { local: [forPlace] } },
    'studio',
    'llm',
    true,
  ],
  [
    'there is a place, and it is kept for the other',
    { lastServed: { llm: 'local' }, wants: { studio: [ready] } },
    'local',
    'llm',
    false,
  ],
  [
    'there is a place, and it is the turn of whoever asks',
    { lastServed: { llm: 'studio' }, wants: { studio: [ready] } },
    'local',
    'llm',
    true,
  ],
];

for (const [what, facts, party, kind, expected] of table) {
  test(`${party} ${expected ? 'may start' : 'has to wait'}: ${what}`, () => {
    assert.equal(mayStart(state(facts), party, kind), expected);
  });
}

test('a start meets the want of its party, and is a turn of it', () => {
  const before = state({ wants: { studio: [forPlace], local: [forPlace] } });
  const after = started(before, 'studio', 'llm');
  assert.deepEqual(after.wants, { studio: [], local: [forPlace] });
  assert.deepEqual([after.lastServed, after.running.studio], [{ llm: 'studio' }, ['llm']]);
  assert.deepEqual(ended(after, 'studio', 'llm').running, { studio: [], local: [] });
  assert.deepEqual(ended(after, 'local', 'llm'), after, 'an end of nothing changes nothing');
});

test('a start that is in the way of a want for memory counts as a turn there too', () => {
  const before = state({ lastServed: { llm: 'local' }, wants: { local: [forMemory] } });
  assert.deepEqual(started(before, 'studio', 'image').lastServed, { llm: 'studio', image: 'studio' });
});

test('a party wants at most one thing of a kind', () => {
  const once = wants(NOTHING_SHARED, 'local', 'llm', forPlace);
  assert.deepEqual(wants(once, 'local', 'llm', forMemory).wants.local, [forMemory]);
  assert.deepEqual(wants(once, 'local', 'llm', undefined).wants.local, []);
});

/** Every party asks for more than there are places, all the time: they must be served in turns, whoever is asked first. */
for (const places of [1, 2, 5]) {
  for (const first of ['studio', 'local'] as const) {
    test(`with ${places} places, ${first} asking first, both are served alike`, () => {
      const other: Party = first === 'studio' ? 'local' : 'studio';
      let now = wants(wants(NOTHING_SHARED, 'studio', 'llm', forPlace), 'local', 'llm', forPlace);
      const order: Party[] = [];
      const running: Party[] = [];
      for (let step = 0; step < 200; step += 1) {
        for (const party of [first, other]) {
          const want = running.length < places ? ready : forPlace;
          now = wants(wants(now, 'studio', 'llm', want), 'local', 'llm', want);
          if (running.length >= places || !mayStart(now, party, 'llm')) continue;
          now = wants(started(now, party, 'llm'), party, 'llm', forPlace);
          running.push(party);
          order.push(party);
        }
        const done = running.shift();
        if (done !== undefined) now = ended(now, done, 'llm');
      }
      const share = order.filter((party) => party === 'studio').length / order.length;
      assert.ok(share > 0.45 && share < 0.55, `the studio got ${share} of ${order.length} places`);
      const longest = Math.max(
        ...order
          .join(' ')
          .replaceAll(' ', '')
          .split(/(?<=studio)(?=local)|(?<=local)(?=studio)/)
          .map((run) => run.length),
      );
      assert.ok(longest <= 'studio'.length * (places + 1), `one party got all places for a while: ${longest}`);
    });
  }
}
