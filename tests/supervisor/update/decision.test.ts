import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, type Facts, type Next, PATIENCE_MS } from '../../../src/supervisor/update/decision.ts';

const idle: Facts = { enabled: true, managed: true, busy: false, overdueMs: 0 };
const newer = { kind: 'newer', version: '2.0.0' } as const;
const end = (outcome: (Next & { do: 'end' })['outcome']): Next => ({ do: 'end', outcome });

const rows: readonly (readonly [name: string, facts: Facts, next: Next])[] = [
  ['disabled', { ...idle, enabled: false }, end({ kind: 'Disabled' })],
  ['disabled comes before busy', { ...idle, enabled: false, busy: true }, end({ kind: 'Disabled' })],
  ['switched off after the check', { ...idle, enabled: false, check: newer }, end({ kind: 'Disabled' })],
  ['jobs run', { ...idle, busy: true }, end({ kind: 'SkippedBusy' })],
  [
    'jobs run, a moment before patience ends',
    { ...idle, busy: true, overdueMs: PATIENCE_MS - 1 },
    end({ kind: 'SkippedBusy' }),
  ],
  ['jobs run, and have for too long', { ...idle, busy: true, overdueMs: PATIENCE_MS }, { do: 'check' }],
  ['nothing runs', idle, { do: 'check' }],
  ['the feed fails', { ...idle, check: { kind: 'error', why: 'down' } }, end({ kind: 'CheckError', why: 'down' })],
  ['nothing newer', { ...idle, check: { kind: 'nothing-newer' } }, end({ kind: 'UpToDate' })],
  ['newer', { ...idle, check: newer }, { do: 'stage', version: '2.0.0' }],
  ['newer, a job came meanwhile', { ...idle, check: newer, busy: true }, end({ kind: 'SkippedBusy' })],
  [
    'newer, busy, no patience left',
    { ...idle, check: newer, busy: true, overdueMs: PATIENCE_MS },
    { do: 'stage', version: '2.0.0' },
  ],
  [
    'staging failed',
    { ...idle, check: newer, staged: { ok: false, why: 'full' } },
    end({ kind: 'UpdateError', why: 'full' }),
  ],
  ['staged', { ...idle, check: newer, staged: { ok: true } }, { do: 'drain', version: '2.0.0' }],
  [
    'staged, a job came meanwhile',
    { ...idle, check: newer, staged: { ok: true }, busy: true },
    end({ kind: 'SkippedBusy' }),
  ],
  [
    'drained',
    { ...idle, check: newer, staged: { ok: true }, drained: true },
    end({ kind: 'Updated', version: '2.0.0' }),
  ],
  ['jobs did not end', { ...idle, check: newer, staged: { ok: true }, drained: false }, end({ kind: 'SkippedBusy' })],
  ['a clone is only told', { ...idle, managed: false, check: newer }, end({ kind: 'Notified', version: '2.0.0' })],
  ['a busy clone is told as well', { ...idle, managed: false, busy: true }, { do: 'check' }],
];

for (const [name, facts, next] of rows) {
  test(`what the updater does next: ${name}`, () => assert.deepEqual(decide(facts), next));
}

test('every row of facts that is not at its end leads to a further fact, so a run ends', () => {
  for (const busy of [false, true]) {
    let facts: Facts = { ...idle, busy, overdueMs: PATIENCE_MS };
    const order: string[] = [];
    for (let next = decide(facts); next.do !== 'end'; next = decide(facts)) {
      order.push(next.do);
      if (next.do === 'check') facts = { ...facts, check: newer };
      if (next.do === 'stage') facts = { ...facts, staged: { ok: true } };
      if (next.do === 'drain') facts = { ...facts, drained: true };
    }
    assert.deepEqual(order, ['check', 'stage', 'drain']);
  }
});
