// How the worker stands with its studio, as others see it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { openSessionStatus, type SessionStatus } from '../../../src/supervisor/session/session-status.ts';

const approved = { kind: 'approved', workerId: 'w' } as const;

function follow(status: SessionStatus): string[] {
  const seen: string[] = [];
  status.changes.addEventListener('change', () => seen.push(status.session.state));
  return seen;
}

test('from waiting for approval to a session that is lost and comes back', () => {
  const status = openSessionStatus({ kind: 'pristine' });
  const seen = follow(status);
  assert.deepEqual([status.session, status.registration], [{ state: 'waiting_for_approval' }, { state: 'pristine' }]);
  const since = new Date(0);
  status.registrationIs({ kind: 'pending', requestId: 'r', since });
  assert.deepEqual(status.registration, { state: 'pending', requestId: 'r', since: since.toISOString() });
  status.registrationIs(approved);
  status.connecting(0);
  status.welcomed();
  status.lost(1);
  assert.deepEqual(status.session, { state: 'reconnecting', attempt: 1 });
  status.connecting(1);
  status.lost(2);
  status.connecting(2);
  status.welcomed();
  assert.deepEqual(seen, ['connecting', 'connected', 'reconnecting', 'reconnecting', 'connected']);
  assert.equal(status.reconnects, 2);
});

test('a heartbeat is ok once it is acknowledged, and an error when it could not be sent', () => {
  const status = openSessionStatus(approved);
  assert.deepEqual([status.heartbeat, status.acknowledgedAtMs], [undefined, undefined]);
  status.welcomed();
  status.heartbeatSent(true);
  assert.equal(status.heartbeat, undefined);
  status.heartbeatAcknowledged();
  assert.partialDeepStrictEqual(status.heartbeat, { outcome: 'ok' });
  assert.ok(status.acknowledgedAtMs !== undefined);
  status.heartbeatSent(false);
  assert.partialDeepStrictEqual(status.heartbeat, { outcome: 'err', reason: 'the heartbeat could not be sent' });
});

test('an acknowledgement is one of its session only', () => {
  const status = openSessionStatus(approved);
  status.welcomed();
  status.heartbeatSent(true);
  status.heartbeatAcknowledged();
  status.lost(1);
  assert.equal(status.acknowledgedAtMs, undefined);
});

for (const [end, view] of [
  [{ kind: 'stopped' }, { state: 'stopped' }],
  [
    { kind: 'auth-failed', reason: 'who are you' },
    { state: 'auth_failed', reason: 'who are you' },
  ],
  [
    { kind: 'fatal', reason: 'twice' },
    { state: 'fatal', reason: 'twice' },
  ],
  [
    { kind: 'cap-reached', why: 'no route' },
    { state: 'fatal', reason: 'ws reconnect cap reached: no route' },
  ],
] as const) {
  test(`an end that is ${end.kind} is seen, also while the worker stops after it`, () => {
    const status = openSessionStatus(approved);
    status.over(end);
    status.over({ kind: 'stopped' });
    assert.deepEqual(status.session, view);
  });
}
