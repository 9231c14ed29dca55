// The registration state machine: every state with every outcome, and what each saves.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  afterCall,
  type CallOutcome,
  nextCall,
  RESET,
  type RecordChanges,
  type RegistrationRecord,
  type RegistrationState,
  stateOf,
} from '../../../src/supervisor/registration/registration-state.ts';

const since = new Date('2026-01-01T00:00:00Z');
const now = new Date('2026-01-02T00:00:00Z');

const states: RegistrationState[] = [
  { kind: 'pristine' },
  { kind: 'pending', requestId: 'rr-1', since },
  { kind: 'approved', workerId: 'w-1' },
  { kind: 'rejected', reason: 'no' },
];

const forgotten = { registrationRequestId: undefined, registrationSecret: undefined };

/** `'same'`: the state stays what it was. */
const outcomes: { outcome: CallOutcome; state: RegistrationState | 'same'; changes: RecordChanges }[] = [
  {
    outcome: { kind: 'created', requestId: 'rr-2' },
    state: { kind: 'pending', requestId: 'rr-2', since: now },
    changes: { registrationRequestId: 'rr-2' },
  },
  { outcome: { kind: 'create-failed' }, state: { kind: 'pristine' }, changes: {} },
  { outcome: { kind: 'polled', answer: { status: 'pending' } }, state: 'same', changes: {} },
  { outcome: { kind: 'poll-failed' }, state: 'same', changes: {} },
  { outcome: { kind: 'not-found' }, state: { kind: 'pristine' }, changes: forgotten },
  {
    outcome: { kind: 'polled', answer: { status: 'approved', workerId: 'w-2', authToken: 't' } },
    state: { kind: 'approved', workerId: 'w-2' },
    changes: { ...forgotten, workerId: 'w-2', authToken: 't' },
  },
  {
    outcome: { kind: 'polled', answer: { status: 'rejected', reason: 'full' } },
    state: { kind: 'rejected', reason: 'full' },
    changes: forgotten,
  },
];

for (const state of states) {
  for (const { outcome, state: expected, changes } of outcomes) {
    const what = outcome.kind === 'polled' ? outcome.answer.status : outcome.kind;
    test(`${state.kind} with ${what} becomes ${expected === 'same' ? state.kind : expected.kind}`, () => {
      const step = afterCall(state, outcome, now);
      assert.deepEqual(step, { state: expected === 'same' ? state : expected, changes });
      assert.ok(!('installId' in step.changes), 'the install id outlives every answer');
    });
  }
}

const calls: [string, RegistrationRecord, ReturnType<typeof nextCall>, RegistrationState['kind']][] = [
  ['nothing saved', {}, { do: 'create' }, 'pristine'],
  ['an install id alone', { installId: 'i' }, { do: 'create' }, 'pristine'],
  ['a secret whose request got no answer', { registrationSecret: 's' }, { do: 'create', secret: 's' }, 'pristine'],
  ['a request id without its secret', { registrationRequestId: 'rr-1' }, { do: 'create' }, 'pristine'],
  [
    'a request and its secret',
    { registrationRequestId: 'rr-1', registrationSecret: 's' },
    { do: 'poll', requestId: 'rr-1', secret: 's' },
    'pending',
  ],
  [
    'both credentials, whatever else is there',
    { workerId: 'w', authToken: 't', registrationRequestId: 'rr-1', registrationSecret: 's' },
    { do: 'nothing', workerId: 'w', authToken: 't' },
    'approved',
  ],
  ['a worker id without a token', { workerId: 'w' }, { do: 'create' }, 'pristine'],
  ['a token without a worker id', { authToken: 't' }, { do: 'create' }, 'pristine'],
  [
    'empty texts',
    { workerId: '', authToken: '', registrationRequestId: '', registrationSecret: '' },
    { do: 'create' },
    'pristine',
  ],
];
for (const [what, record, next, kind] of calls) {
  test(`with ${what} the next call is ${next.do}, and the state ${kind}`, () => {
    assert.deepEqual(nextCall(record), next);
    assert.equal(stateOf(record, now).kind, kind);
  });
}

test('a reset removes every trace of a registration', () => {
  const record: RegistrationRecord = {
    workerId: 'w',
    authToken: 't',
    installId: 'i',
    registrationRequestId: 'rr-1',
    registrationSecret: 's',
  };
  assert.deepEqual(nextCall({ ...record, ...RESET }), { do: 'create' });
  assert.deepEqual(Object.keys(RESET).sort(), Object.keys(record).sort());
});
