// How the worker stands with its studio, for those who ask: the state of the registration and of the session, the last
// heartbeat, and how often a session was lost. It is told by the registration gate and the session; it decides nothing.
//
//   waiting_for_approval ─approved→ connecting ─welcome→ connected ─lost→ reconnecting ─welcome→ connected
//            (any of them) ─the studio says no→ auth_failed, fatal      ─stop→ stopped
import { isDeepStrictEqual } from 'node:util';
import type { HeartbeatView, RegistrationView, SessionView } from '../daemon/types.ts';
import type { RegistrationState } from '../registration/registration-state.ts';
import type { LoopEnd } from './session-loop.ts';

export interface SessionStatus {
  readonly session: SessionView;
  readonly registration: RegistrationView;
  readonly heartbeat: HeartbeatView | undefined;
  /** When the studio last acknowledged a heartbeat of this session, on the clock of `performance.now()`. */
  readonly acknowledgedAtMs: number | undefined;
  /** How often a session that had been welcomed, or an attempt at one, was followed by another attempt. */
  readonly reconnects: number;
  /** Dispatches `change` when `session` or `registration` has changed. */
  readonly changes: EventTarget;

  registrationIs(state: RegistrationState): void;
  /** `attempt`: 0 for the first connection with these credentials, then as in the log. */
  connecting(attempt: number): void;
  welcomed(): void;
  /** The session is over; another one comes after a pause. */
  lost(attempt: number): void;
  heartbeatSent(sent: boolean): void;
  heartbeatAcknowledged(): void;
  /** No further session comes. */
  over(end: LoopEnd): void;
}

export function openSessionStatus(registration: RegistrationState): SessionStatus {
  const changes = new EventTarget();
  let session: SessionView = { state: registration.kind === 'approved' ? 'connecting' : 'waiting_for_approval' };
  let known: RegistrationView = viewOf(registration);
  let heartbeat: HeartbeatView | undefined;
  let attemptedAt = new Date();
  let acknowledgedAtMs: number | undefined;
  let reconnects = 0;

  function become(next: SessionView): void {
    // A fatal end is what people must see, and `stopped` follows from it.
    if (session.state === 'auth_failed' || session.state === 'fatal') return;
    if (isDeepStrictEqual(next, session)) return;
    session = next;
    if (next.state !== 'connected') acknowledgedAtMs = undefined;
    changes.dispatchEvent(new Event('change'));
  }

  return {
    get session() {
      return session;
    },
    get registration() {
      return known;
    },
    get heartbeat() {
      return heartbeat;
    },
    get acknowledgedAtMs() {
      return acknowledgedAtMs;
    },
    get reconnects() {
      return reconnects;
    },
    changes,
    registrationIs(state) {
      known = viewOf(state);
      become({ state: state.kind === 'approved' ? 'connecting' : 'waiting_for_approval' });
    },
    connecting: (attempt) => become(attempt === 0 ? { state: 'connecting' } : { state: 'reconnecting', attempt }),
    welcomed: () => become({ state: 'connected' }),
    lost(attempt) {
      reconnects += 1;
      become({ state: 'reconnecting', attempt });
    },
    heartbeatSent(sent) {
      attemptedAt = new Date();
      if (sent) return;
      heartbeat = {
        outcome: 'err',
        reason: 'the heartbeat could not be sent',
        lastAttemptAt: attemptedAt.toISOString(),
      };
    },
    heartbeatAcknowledged() {
      acknowledgedAtMs = performance.now();
      heartbeat = { outcome: 'ok', lastAttemptAt: attemptedAt.toISOString() };
    },
    over(end) {
      if (end.kind === 'stopped') become({ state: 'stopped' });
      else if (end.kind === 'auth-failed') become({ state: 'auth_failed', reason: end.reason });
      else if (end.kind === 'fatal') become({ state: 'fatal', reason: end.reason });
      else become({ state: 'fatal', reason: `ws reconnect cap reached: ${end.why}` });
    },
  };
}

function viewOf(state: RegistrationState): RegistrationView {
  switch (state.kind) {
    case 'pristine':
      return { state: 'pristine' };
    case 'pending':
      return { state: 'pending', requestId: state.requestId, since: state.since.toISOString() };
    case 'approved':
      return { state: 'approved' };
    case 'rejected':
      return { state: 'rejected', reason: state.reason };
  }
}
