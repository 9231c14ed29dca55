// The table of selection: who gets which job.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskKind } from '../../src/protocol/index.ts';
import { assign, type Candidate } from '../../src/studio/worker/connections/assign.ts';
import type { LiveJob } from '../../src/studio/worker/connections/job-book.ts';

type Over = Partial<Omit<Candidate, 'offering'>> & { offering?: Partial<Candidate['offering']> };

let seq = 0;
function job(kind: TaskKind, over: Partial<LiveJob> = {}): LiveJob {
  seq += 1;
  return {
    seq,
    id: `${kind}-${seq}`,
    kind,
    model: 'm',
    vramGbEstimate: 4,
    attempts: 0,
    claim: undefined,
    refusedBy: new Set(),
    ...over,
  };
}

function worker(workerId: string, over: Over = {}) {
  const { offering, ...rest } = over;
  const candidate: Candidate = {
    workerId,
    connectedAt: 1,
    multiOffer: false,
    resting: new Set(),
    holding: {},
    offering: {
      autoEnabled: true,
      onlyWhenIdle: false,
      idle: false,
      taskKinds: ['image', 'llm'],
      vramThresholdGb: 8,
      slots: {},
      ...offering,
    },
    ...rest,
  };
  return candidate;
}

const pairs = (jobs: LiveJob[], workers: Candidate[]) =>
  assign(jobs, workers).map(({ job: one, workerId }) => `${jobs.indexOf(one)}→${workerId}`);

const TABLE: Array<[name: string, jobs: LiveJob[], workers: Candidate[], expected: string[]]> = [
  ['nobody there', [job('llm')], [], []],
  ['nothing to do', [], [worker('a')], []],
  [
    'one each, first come first served',
    [job('llm'), job('image'), job('llm')],
    [worker('a'), worker('b')],
    ['0→a', '1→b'],
  ],
  ['the earliest connected first', [job('llm')], [worker('late', { connectedAt: 9 }), worker('early')], ['0→early']],
  ['a paused worker gets nothing', [job('llm')], [worker('a', { offering: { autoEnabled: false } })], []],
  ['in use, and only when idle', [job('llm')], [worker('a', { offering: { onlyWhenIdle: true } })], []],
  ['idle, and only when idle', [job('llm')], [worker('a', { offering: { onlyWhenIdle: true, idle: true } })], ['0→a']],
  ['the threshold itself fits', [job('llm', { vramGbEstimate: 8 })], [worker('a')], ['0→a']],
  ['above the threshold does not', [job('llm', { vramGbEstimate: 8.1 })], [worker('a')], []],
  ['a job that nobody can take does not block the next', [job('video'), job('llm')], [worker('a')], ['1→a']],
  [
    'refused once is refused for good',
    [job('llm', { refusedBy: new Set(['a']) })],
    [worker('a'), worker('b')],
    ['0→b'],
  ],
  ['busy without multi-offer', [job('llm')], [worker('a', { holding: { image: 1 } })], []],
  ['resting for one kind', [job('llm'), job('image')], [worker('a', { resting: new Set(['llm']) })], ['1→a']],
  [
    'slots of each kind with multi-offer',
    [job('llm'), job('llm'), job('llm'), job('image'), job('image')],
    [worker('a', { multiOffer: true, holding: { llm: 1 }, offering: { slots: { llm: 3, image: 1 } } })],
    ['0→a', '1→a', '3→a'],
  ],
  ['multi-offer without a word about slots', [job('llm'), job('llm')], [worker('a', { multiOffer: true })], ['0→a']],
  ['no slots left', [job('llm')], [worker('a', { multiOffer: true, offering: { slots: { llm: 0 } } })], []],
];

for (const [name, jobs, workers, expected] of TABLE) {
  test(name, () => assert.deepEqual(pairs(jobs, workers), expected));
}
