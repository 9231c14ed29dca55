// Every ground on which an offer is turned down, and the order in which they count.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type AdmissionFacts, admit, type Decision } from '../../../src/supervisor/jobs/admission.ts';

const free: AdmissionFacts = {
  claim: { model: 'm', vramGbEstimate: 8 },
  stopping: false,
  paused: false,
  heldByPresence: false,
  thresholdGb: 12,
  restingUntilMs: undefined,
  nowMs: 1_000_000,
  verdict: { kind: 'ready' },
};

/** In the order in which they are looked at: an earlier one hides every later one. */
const grounds: { name: string; facts: Partial<AdmissionFacts>; decision: Decision }[] = [
  {
    name: 'a worker on its way out',
    facts: { stopping: true },
    decision: { do: 'reject', reason: 'worker is stopping', code: 'paused' },
  },
  {
    name: 'a paused worker',
    facts: { paused: true },
    decision: { do: 'reject', reason: 'worker paused by operator', code: 'paused' },
  },
  {
    name: 'a person at the machine',
    facts: { heldByPresence: true },
    decision: { do: 'reject', reason: 'only when idle: the person is using this computer', code: 'paused' },
  },
  {
    name: 'a threshold below the estimate',
    facts: { thresholdGb: 7.5 },
    decision: { do: 'reject', reason: "the job needs 8 GB, this worker's threshold is 7.5 GB" },
  },
  {
    name: 'an engine that is absent',
    facts: { verdict: { kind: 'never', code: 'ENGINE_UNAVAILABLE', why: 'install it' } },
    decision: { do: 'fail', code: 'ENGINE_UNAVAILABLE', message: 'install it' },
  },
  {
    name: 'a resting model',
    facts: { restingUntilMs: 1_000_001 },
    decision: {
      do: 'reject',
      reason: 'model m failed several times in a row and rests for 1 s',
      code: 'busy',
      detail: 'model m failed several times in a row and rests for 1 s',
    },
  },
  {
    name: 'a taken slot',
    facts: { verdict: { kind: 'busy', why: 'image: 1 of 1 slots' } },
    decision: {
      do: 'reject',
      reason: 'worker already has an in-flight job',
      code: 'busy',
      detail: 'image: 1 of 1 slots',
    },
  },
];

test('a free worker accepts', () => assert.deepEqual(admit(free), { do: 'accept' }));

for (const [index, { name, facts, decision }] of grounds.entries()) {
  test(`${name} decides alone`, () => assert.deepEqual(admit({ ...free, ...facts }), decision));

  for (const later of grounds.slice(index + 1)) {
    test(`${name} counts before ${later.name}`, () => {
      assert.deepEqual(admit({ ...free, ...later.facts, ...facts }), decision);
    });
  }
}

test('an estimate equal to the threshold is taken', () => {
  assert.deepEqual(admit({ ...free, thresholdGb: 8 }), { do: 'accept' });
});

test('too large for this machine is rejected without a code, so that another worker gets it', () => {
  const verdict = { kind: 'never', code: 'MODEL_TOO_LARGE', why: 'needs 40 GB' } as const;
  assert.deepEqual(admit({ ...free, verdict }), { do: 'reject', reason: 'needs 40 GB' });
});

test('a rest that is over no longer counts', () => {
  assert.deepEqual(admit({ ...free, restingUntilMs: free.nowMs }), { do: 'accept' });
});

test('the rest is told in whole seconds, rounded up', () => {
  const decision = admit({ ...free, restingUntilMs: free.nowMs + 179_001 });
  assert.ok(decision.do === 'reject');
  assert.match(decision.reason, /rests for 180 s$/);
});
