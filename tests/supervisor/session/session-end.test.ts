// What each way of ending means for the next session.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  endOfClose,
  endOfErrorFrame,
  endOfUpgrade,
  type SessionEnd,
} from '../../../src/supervisor/session/session-end.ts';

const closes: [number, string, SessionEnd][] = [
  [1000, '', { kind: 'disconnected', why: 'connection closed (1000)' }],
  [1000, 'bye', { kind: 'disconnected', why: 'connection closed (1000: bye)' }],
  [1006, '', { kind: 'disconnected', why: 'connection closed (1006)' }],
  [1012, 'restart', { kind: 'disconnected', why: 'connection closed (1012: restart)' }],
  [4001, 'token', { kind: 'auth-failed', reason: 'server closed 4001: token' }],
  [4002, 'what?', { kind: 'disconnected', why: 'connection closed (4002: what?)' }],
  [4003, 'replaced', { kind: 'fatal', reason: 'duplicate_worker: replaced' }],
  [4003, '', { kind: 'fatal', reason: 'duplicate_worker: another worker connected with these credentials' }],
  [4004, 'gone', { kind: 'fatal', reason: 'worker_deleted: gone' }],
  [4004, 'a\u001b[31m\nb', { kind: 'fatal', reason: 'worker_deleted: a [31m b' }],
  [4004, '', { kind: 'fatal', reason: 'worker_deleted: an operator deleted this worker' }],
];
for (const [code, reason, end] of closes) {
  test(`close ${code} "${reason}" is ${end.kind}`, () => assert.deepEqual(endOfClose(code, reason), end));
}

const errors: [string, SessionEnd][] = [
  ['auth_failed', { kind: 'auth-failed', reason: 'm' }],
  ['protocol_violation', { kind: 'fatal', reason: 'protocol_violation: m' }],
  ['duplicate_worker', { kind: 'fatal', reason: 'duplicate_worker: m' }],
  ['worker_deleted', { kind: 'fatal', reason: 'worker_deleted: m' }],
  ['internal_error', { kind: 'fatal', reason: 'internal_error: m' }],
  ['a_later_code', { kind: 'fatal', reason: 'a_later_code: m' }],
];
for (const [code, end] of errors) {
  test(`an error frame ${code} is ${end.kind}`, () => assert.deepEqual(endOfErrorFrame(code, 'm'), end));
}

test('what an error frame says is one line of bounded length', () => {
  const { reason } = endOfErrorFrame('auth_failed', `\u001b[2J\n\u202e${'x'.repeat(1_000)}`) as { reason: string };
  assert.equal(reason, `[2J ${'x'.repeat(296)}…`);
});

const upgrades: [number, string, SessionEnd][] = [
  [401, 'who are you', { kind: 'auth-failed', reason: '401 on websocket upgrade' }],
  [403, ' no \n', { kind: 'disconnected', why: 'HTTP 403 on websocket upgrade: no' }],
  [500, ' \n', { kind: 'disconnected', why: 'HTTP 500 on websocket upgrade' }],
  [502, 'x'.repeat(300), { kind: 'disconnected', why: `HTTP 502 on websocket upgrade: ${'x'.repeat(300)}` }],
  [502, 'x'.repeat(301), { kind: 'disconnected', why: `HTTP 502 on websocket upgrade: ${'x'.repeat(300)}…` }],
];
for (const [status, body, end] of upgrades) {
  test(`an upgrade answered with ${status} and ${body.length} characters is ${end.kind}`, () => {
    assert.deepEqual(endOfUpgrade(status, body), end);
  });
}
