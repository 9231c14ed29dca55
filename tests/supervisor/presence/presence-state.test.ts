import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterSample, PRESENCE_AT_START, type Sample } from '../../../src/supervisor/presence/presence-state.ts';

/** What is told, and what is known at the end, after these samples. */
function after(samples: readonly Sample[]): { told: string[]; presence: string | undefined } {
  const told: string[] = [];
  let state = PRESENCE_AT_START;
  for (const sample of samples) {
    const next = afterSample(state, sample);
    state = next.state;
    if (next.news !== undefined) {
      told.push(
        'problem' in next.news ? `${next.news.level} ${next.news.problem}` : `${next.news.level} ${next.news.presence}`,
      );
    }
  }
  return { told, presence: state.presence };
}

const idle = { idleMs: 120_000 };
const active = { idleMs: 119_999 };
const broken = { problem: 'no display' };
const otherwise = { problem: 'no bus' };

const table: { name: string; samples: Sample[]; told: string[]; presence: string | undefined }[] = [
  { name: 'nothing is known at the start', samples: [], told: [], presence: undefined },
  { name: 'idle from two minutes on', samples: [idle], told: ['info idle'], presence: 'idle' },
  { name: 'active just before', samples: [active], told: ['info active'], presence: 'active' },
  {
    name: 'a change is told, a repetition is not',
    samples: [idle, idle, active, active, idle],
    told: ['info idle', 'info active', 'info idle'],
    presence: 'idle',
  },
  {
    name: 'a failure makes it unknown',
    samples: [idle, broken],
    told: ['info idle', 'warn no display'],
    presence: undefined,
  },
  {
    name: 'one warning for each distinct failure',
    samples: [broken, broken, otherwise, broken],
    told: ['warn no display', 'warn no bus'],
    presence: undefined,
  },
  {
    name: 'recovery is told, the same failure not again',
    samples: [broken, active, broken, active],
    told: ['warn no display', 'info active', 'info active'],
    presence: 'active',
  },
];

for (const { name, samples, told, presence } of table) {
  test(name, () => assert.deepEqual(after(samples), { told, presence }));
}

test('failures that differ each time are not told for ever', () => {
  const samples = Array.from({ length: 100 }, (_, index) => ({ problem: `broken pipe of ${index}` }));
  assert.equal(after(samples).told.length, 20);
});
