// How a worker comes to be known to a studio. Pure: what to do next, and what each answer changes.
//
//   pristine ─created→ pending ─approved→ approved
//      ▲ ▲               │ │ └──rejected→ rejected
//      │ └───not-found───┘ └─pending, failed: stays, `since` unchanged
//      └──reset (`register --reset`)── rejected
import type { RegisterStatus } from '../../protocol/index.ts';

export type RegistrationState =
  | { readonly kind: 'pristine' }
  | { readonly kind: 'pending'; readonly requestId: string; readonly since: Date }
  | { readonly kind: 'approved'; readonly workerId: string }
  | { readonly kind: 'rejected'; readonly reason: string };

/** What the config file holds of a registration. Empty strings count as absent. */
export type RegistrationRecord = {
  readonly workerId?: string | undefined;
  readonly authToken?: string | undefined;
  readonly installId?: string | undefined;
  readonly registrationRequestId?: string | undefined;
  readonly registrationSecret?: string | undefined;
};

export type NextCall =
  | { readonly do: 'nothing'; readonly workerId: string; readonly authToken: string }
  | { readonly do: 'poll'; readonly requestId: string; readonly secret: string }
  /** `secret` absent: make one, and save it, before the call. */
  | { readonly do: 'create'; readonly secret?: string };

/** At most one HTTP call a tick, decided by what is saved. */
export function nextCall(record: RegistrationRecord): NextCall {
  const { workerId, authToken, registrationRequestId: requestId, registrationSecret: secret } = record;
  if (workerId && authToken) return { do: 'nothing', workerId, authToken };
  if (requestId && secret) return { do: 'poll', requestId, secret };
  return secret ? { do: 'create', secret } : { do: 'create' };
}

export type CallOutcome =
  | { readonly kind: 'created'; readonly requestId: string }
  | { readonly kind: 'create-failed' }
  | { readonly kind: 'polled'; readonly answer: RegisterStatus }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'poll-failed' };

/** Keys to save; a key whose value is `undefined` is removed. */
export type RecordChanges = { -readonly [K in keyof RegistrationRecord]?: string | undefined };

export type Transition = { readonly state: RegistrationState; readonly changes: RecordChanges };

const FORGET_REQUEST: RecordChanges = { registrationRequestId: undefined, registrationSecret: undefined };

export function afterCall(state: RegistrationState, outcome: CallOutcome, now: Date): Transition {
  switch (outcome.kind) {
    case 'created':
      return {
        state: { kind: 'pending', requestId: outcome.requestId, since: now },
        changes: { registrationRequestId: outcome.requestId },
      };
    case 'create-failed':
      return { state: { kind: 'pristine' }, changes: {} };
    case 'poll-failed':
      return { state, changes: {} };
    case 'not-found':
      return { state: { kind: 'pristine' }, changes: FORGET_REQUEST };
    case 'polled':
      return afterAnswer(state, outcome.answer);
  }
}

function afterAnswer(state: RegistrationState, answer: RegisterStatus): Transition {
  switch (answer.status) {
    case 'pending':
      return { state, changes: {} };
    case 'approved':
      return {
        state: { kind: 'approved', workerId: answer.workerId },
        changes: { ...FORGET_REQUEST, workerId: answer.workerId, authToken: answer.authToken },
      };
    case 'rejected':
      return { state: { kind: 'rejected', reason: answer.reason }, changes: FORGET_REQUEST };
  }
}

/** The state that a freshly read record stands for. */
export function stateOf(record: RegistrationRecord, now: Date): RegistrationState {
  const next = nextCall(record);
  if (next.do === 'nothing') return { kind: 'approved', workerId: next.workerId };
  if (next.do === 'poll') return { kind: 'pending', requestId: next.requestId, since: now };
  return { kind: 'pristine' };
}

/** What `register --reset` clears. */
export const RESET: RecordChanges = {
  workerId: undefined,
  authToken: undefined,
  installId: undefined,
  ...FORGET_REQUEST,
};
