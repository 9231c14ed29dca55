import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { TaskKind } from '../../src/protocol/index.ts';
import * as ledgers from '../../src/workers/ledger.ts';

const KINDS: TaskKind[] = ['image', 'llm', 'audio_stt', 'audio_tts', 'video'];

function budgets(deviceBytes: number, poolBytes: number, homes: ledgers.Budgets['homes'] = {}): ledgers.Budgets {
  const pools = Object.fromEntries(KINDS.map((kind) => [kind, poolBytes])) as Record<TaskKind, number>;
  return { deviceBytes, pools, homes };
}

type Row = [key: string, pool: TaskKind, bytes: number, state: ledgers.Reservation['state'], more?: object];

/** Rows come least recently used first. */
function ledgerOf(budget: ledgers.Budgets, rows: Row[]): ledgers.Ledger {
  const reservations = rows.map(([key, pool, bytes, state, more], i): [string, ledgers.Reservation] => [
    key,
    { key, pool, bytes, state, runs: 0, pinned: false, lastUsedAt: i, ...more },
  ]);
  return { budgets: budget, reservations: new Map(reservations) };
}

const busy = { runs: 1 };
const pinned = { pinned: true };

describe('a newcomer to the ledger', () => {
  const cases: { name: string; rows: Row[]; bytes: number; decision: ledgers.Decision }[] = [
    { name: 'fits an empty device', rows: [], bytes: 8, decision: { kind: 'fits' } },
    { name: 'fits beside others', rows: [['a', 'image', 2, 'loaded', busy]], bytes: 8, decision: { kind: 'fits' } },
    {
      name: 'never fits beyond its pool',
      rows: [],
      bytes: 9,
      decision: { kind: 'never', limit: 'pool', allowedBytes: 8 },
    },
    {
      name: 'evicts the least recently used',
      rows: [
        ['a', 'llm', 3, 'loaded'],
        ['b', 'llm', 3, 'loaded'],
      ],
      bytes: 5,
      decision: { kind: 'evict', keys: ['a'] },
    },
    {
      name: 'evicts from its own pool first, though others are older',
      rows: [
        ['old', 'image', 4, 'loaded'],
        ['own', 'llm', 4, 'loaded'],
      ],
      bytes: 4,
      decision: { kind: 'evict', keys: ['own'] },
    },
    {
      name: 'evicts from other pools when its own is not enough',
      rows: [
        ['old', 'image', 4, 'loaded'],
        ['older', 'video', 2, 'loaded'],
        ['own', 'llm', 2, 'loaded'],
      ],
      bytes: 7,
      decision: { kind: 'evict', keys: ['own', 'old'] },
    },
    {
      name: 'spares small models that a larger one makes needless',
      rows: [
        ['small', 'llm', 1, 'loaded'],
        ['large', 'llm', 6, 'loaded'],
      ],
      bytes: 6,
      decision: { kind: 'evict', keys: ['large'] },
    },
    {
      name: 'waits for busy models',
      rows: [['a', 'llm', 6, 'loaded', busy]],
      bytes: 6,
      decision: { kind: 'wait', limit: 'pool', freeBytes: 2 },
    },
    {
      name: 'waits for pinned models',
      rows: [['a', 'image', 8, 'loaded', pinned]],
      bytes: 6,
      decision: { kind: 'wait', limit: 'device', freeBytes: 2 },
    },
    {
      name: 'waits for loading and queued models',
      rows: [
        ['a', 'image', 4, 'loading'],
        ['b', 'video', 4, 'queued'],
      ],
      bytes: 6,
      decision: { kind: 'wait', limit: 'device', freeBytes: 2 },
    },
    {
      name: 'may have what is being unloaded',
      rows: [['a', 'llm', 8, 'unloading']],
      bytes: 8,
      decision: { kind: 'fits' },
    },
    {
      name: 'does not empty other pools for the sake of its own budget',
      rows: [
        ['a', 'llm', 6, 'loaded', busy],
        ['b', 'image', 2, 'loaded'],
      ],
      bytes: 4,
      decision: { kind: 'wait', limit: 'pool', freeBytes: 2 },
    },
    {
      name: 'of no bytes always fits',
      rows: [
        ['a', 'llm', 8, 'loaded', busy],
        ['b', 'image', 2, 'loaded', busy],
      ],
      bytes: 0,
      decision: { kind: 'fits' },
    },
  ];
  for (const { name, rows, bytes, decision } of cases) {
    test(name, () =>
      assert.deepEqual(ledgers.decide(ledgerOf(budgets(10, 8), rows), { pool: 'llm', bytes }), decision),
    );
  }

  test('never fits a device smaller than its pool', () => {
    const decision = ledgers.decide(ledgerOf(budgets(6, 8), []), { pool: 'llm', bytes: 7 });
    assert.deepEqual(decision, { kind: 'never', limit: 'device', allowedBytes: 6 });
  });
});

// Two GPUs of 6 and 4: text and pictures have the second one for themselves, voices are in RAM, the rest is anywhere.
const second = { name: 1, bytes: 4 } as const;
const HOMES = { llm: second, image: second, audio_tts: { name: 'ram', bytes: 5 } } as const;

describe('a newcomer to one of several places', () => {
  const cases: { name: string; pool: TaskKind; bytes: number; rows: Row[]; decision: ledgers.Decision }[] = [
    {
      name: 'never fits beyond its GPU',
      ...{ pool: 'llm', bytes: 5, rows: [] },
      decision: { kind: 'never', limit: 1, allowedBytes: 4 },
    },
    {
      name: 'waits for its GPU, though the other one is empty',
      ...{ pool: 'llm', bytes: 3, rows: [['a', 'image', 3, 'loaded', busy]] },
      decision: { kind: 'wait', limit: 1, freeBytes: 1 },
    },
    {
      name: 'evicts on its own GPU alone',
      pool: 'llm',
      bytes: 3,
      rows: [
        ['old', 'video', 6, 'loaded'],
        ['a', 'image', 3, 'loaded'],
      ],
      decision: { kind: 'evict', keys: ['a'] },
    },
    {
      name: 'counts against all GPUs together, as those do that are on none in particular',
      ...{ pool: 'llm', bytes: 3, rows: [['a', 'video', 8, 'loaded', busy]] },
      decision: { kind: 'wait', limit: 'device', freeBytes: 2 },
    },
    {
      name: 'in RAM takes nothing of a GPU',
      pool: 'audio_tts',
      bytes: 5,
      rows: [
        ['a', 'video', 6, 'loaded', busy],
        ['b', 'llm', 4, 'loaded', busy],
      ],
      decision: { kind: 'fits' },
    },
    {
      name: 'never fits beyond RAM',
      ...{ pool: 'audio_tts', bytes: 6, rows: [] },
      decision: { kind: 'never', limit: 'ram', allowedBytes: 5 },
    },
    {
      name: 'on a GPU has nothing of what is in RAM',
      pool: 'video',
      bytes: 8,
      rows: [
        ['voice', 'audio_tts', 5, 'loaded'],
        ['a', 'image', 4, 'loaded'],
      ],
      decision: { kind: 'evict', keys: ['a'] },
    },
  ];
  for (const { name, pool, bytes, rows, decision } of cases) {
    test(name, () =>
      assert.deepEqual(ledgers.decide(ledgerOf(budgets(10, 8, HOMES), rows), { pool, bytes }), decision),
    );
  }
});

test('who goes first when memory is short is somebody whose memory helps', () => {
  const rows: Row[] = [
    ['voice', 'audio_tts', 1, 'loaded'],
    ['text', 'llm', 1, 'loaded'],
    ['film', 'video', 1, 'loaded'],
    ['none', 'image', 0, 'loaded'],
  ];
  const ledger = ledgerOf(budgets(10, 8, HOMES), rows);
  assert.equal(ledgers.nextToLeave(ledger, 'image'), 'text');
  assert.equal(ledgers.nextToLeave(ledger, 'video'), 'film');
  assert.equal(ledgers.nextToLeave(ledger, 'audio_tts'), 'voice');
  const keys = (own: TaskKind) => ledgers.idleBeside(ledger, own).map(({ key }) => key);
  assert.deepEqual(keys('audio_stt'), ['text', 'film', 'none']);
  assert.deepEqual(keys('audio_tts'), ['voice']);
  assert.equal(ledgers.nextToLeave(ledgerOf(budgets(10, 8, HOMES), rows.slice(0, 1)), 'llm'), undefined);
});

test('what is reserved is told for all GPUs, for a pool and for where a pool is', () => {
  const ledger = ledgerOf(budgets(10, 8, HOMES), [
    ['a', 'llm', 1, 'loaded'],
    ['b', 'image', 2, 'loading'],
    ['c', 'video', 4, 'unloading'],
    ['d', 'audio_tts', 3, 'loaded'],
  ]);
  assert.equal(ledgers.reservedBytes(ledger), 7);
  assert.equal(ledgers.reservedBytes(ledger, 'audio_tts'), 3);
  assert.deepEqual(ledgers.memoryOf(ledger, 'llm'), { budgetBytes: 4, reservedBytes: 3 });
  assert.deepEqual(ledgers.memoryOf(ledger, 'video'), { budgetBytes: 10, reservedBytes: 7 });
  assert.deepEqual(ledgers.memoryOf(ledger, 'audio_tts'), { budgetBytes: 5, reservedBytes: 3 });
});

test('a promised reservation starts only when the memory has come back', () => {
  let ledger = ledgerOf(budgets(10, 8), [
    ['a', 'llm', 6, 'loaded'],
    ['b', 'image', 4, 'loaded', busy],
  ]);
  ledger = ledgers.doom(ledger, 'a');
  ledger = ledgers.reserve(ledger, { key: 'c', pool: 'llm', bytes: 6, now: 9 });
  assert.equal(ledgers.mustWait(ledger, 'c'), true);
  ledger = ledgers.free(ledger, 'a');
  assert.equal(ledgers.mustWait(ledger, 'c'), false);
});

test('an idle model expires keep-alive after its last use, a pinned or used one never', () => {
  let ledger = ledgerOf(budgets(10, 8), [
    ['a', 'llm', 1, 'loaded'],
    ['b', 'llm', 1, 'loaded', pinned],
    ['c', 'llm', 1, 'loaded', busy],
  ]);
  assert.deepEqual(ledgers.expired(ledger, 99, 100), []);
  assert.deepEqual(ledgers.expired(ledger, 100, 100), ['a']);
  assert.equal(ledgers.nextExpiryAt(ledger, 100), 100);
  assert.deepEqual(ledgers.expired(ledger, 1e9, -1), []);
  assert.equal(ledgers.nextExpiryAt(ledger, -1), undefined);
  ledger = ledgers.release(ledger, 'c', 50);
  ledger = ledgers.pin(ledger, 'b', false);
  assert.deepEqual(ledgers.expired(ledger, 150, 100), ['a', 'b', 'c']);
});

test('when the budgets shrink, idle models leave until the rest fits', () => {
  const rows: Row[] = [
    ['a', 'llm', 3, 'loaded'],
    ['b', 'image', 3, 'loaded'],
    ['c', 'llm', 3, 'loaded', busy],
  ];
  const ledger = ledgers.reconfigure(ledgerOf(budgets(10, 8), rows), budgets(5, 5));
  assert.deepEqual(ledgers.surplus(ledger), ['a', 'b']);
  assert.deepEqual(ledgers.surplus(ledgers.reconfigure(ledger, budgets(9, 8))), []);
});

test('a ledger does not know what was never reserved', () => {
  assert.throws(() => ledgers.start(ledgers.openLedger(budgets(1, 1)), 'x'), /no reservation x/);
});

// What a host does with a ledger, at random: ask for memory and evict, load, use, free, pin.
type Step =
  | { do: 'add'; pool: TaskKind; bytes: number; pinned: boolean }
  | { do: 'go' | 'use' | 'unuse' | 'free'; at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('add' as const),
    pool: fc.constantFrom(...KINDS),
    bytes: fc.nat({ max: 12 }),
    pinned: fc.boolean(),
  }),
  fc.record({ do: fc.constantFrom('go' as const, 'use' as const, 'unuse' as const, 'free' as const), at: fc.nat() }),
);

function play(steps: Step[], budget: ledgers.Budgets, look: (ledger: ledgers.Ledger) => void): void {
  let ledger = ledgers.openLedger(budget);
  steps.forEach((one, now) => {
    if (one.do === 'add') {
      const before = ledger;
      const decision = ledgers.decide(ledger, one);
      if (decision.kind === 'wait' || decision.kind === 'never') return;
      for (const key of decision.kind === 'evict' ? decision.keys : []) {
        checkVictim(before, key, one.pool, decision.kind === 'evict' ? decision.keys : []);
        ledger = ledgers.doom(ledger, key);
      }
      ledger = ledgers.reserve(ledger, { key: `m${now}`, ...one, now });
    } else {
      const all = [...ledger.reservations.values()];
      const chosen = all[one.at % Math.max(1, all.length)];
      if (!chosen) return;
      const { key, state } = chosen;
      if (one.do === 'go' && state === 'queued' && !ledgers.mustWait(ledger, key)) ledger = ledgers.start(ledger, key);
      else if (one.do === 'go' && state === 'loading') ledger = ledgers.loaded(ledger, key, now);
      else if (one.do === 'use' && state === 'loaded') ledger = ledgers.acquire(ledger, key, now);
      else if (one.do === 'unuse') ledger = ledgers.release(ledger, key, now);
      else if (one.do === 'free' && state === 'unloading') ledger = ledgers.free(ledger, key);
    }
    look(ledger);
  });
}

function checkVictim(ledger: ledgers.Ledger, key: string, pool: TaskKind, keys: readonly string[]): void {
  const victim = ledger.reservations.get(key);
  assert.ok(victim && victim.state === 'loaded' && victim.runs === 0 && !victim.pinned);
  // An own idle model that stays, though one of another pool must go, was too small to spare that one: all own ones
  // together are then not enough.
  if (victim.pool === pool) return;
  // Those elsewhere could not have helped.
  const staying = ledgers
    .idleBeside(ledger, pool)
    .filter((one) => one.pool === pool && one.bytes > 0 && !keys.includes(one.key));
  const sum = (list: ledgers.Reservation[]) => list.reduce((total, { bytes }) => total + bytes, 0);
  assert.ok(staying.length === 0 || sum(staying) < victim.bytes);
}

test('the sums of promised and of held memory never exceed a budget, and nobody at work is evicted', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom({}, HOMES),
      (steps, device, pool, homes: NonNullable<ledgers.Budgets['homes']>) => {
        const nameOf = (one: ledgers.Reservation) => homes[one.pool]?.name;
        play(steps, budgets(device, pool, homes), (ledger) => {
          const all = [...ledger.reservations.values()];
          const sum = (list: ledgers.Reservation[]) => list.reduce((total, { bytes }) => total + bytes, 0);
          for (const counted of [
            all.filter((one) => one.state !== 'unloading'),
            all.filter((one) => one.state !== 'queued'),
          ]) {
            assert.ok(sum(counted.filter((one) => nameOf(one) !== 'ram')) <= device);
            for (const home of Object.values(homes)) {
              assert.ok(sum(counted.filter((one) => nameOf(one) === home.name)) <= home.bytes);
            }
            for (const kind of KINDS) assert.ok(sum(counted.filter((one) => one.pool === kind)) <= pool);
          }
        });
      },
    ),
    { numRuns: 500 },
  );
});
