// Keeps a session with the studio: one after another, with a growing pause between failures, until the studio says that
// there is no point, the retries are used up, or the worker stops.
import type { Credentials } from '../registration/registration-gate.ts';
import { afterDisconnect } from './backoff.ts';
import { runSession, type SessionOptions } from './session.ts';
import type { SessionEnd } from './session-end.ts';
import type { SessionStatus } from './session-status.ts';

export type LoopEnd =
  | Extract<SessionEnd, { kind: 'auth-failed' | 'fatal' | 'stopped' }>
  | { readonly kind: 'cap-reached'; readonly why: string };

export type SessionLoopOptions = Omit<SessionOptions, 'credentials'> & {
  readonly credentials: Credentials;
  /** Retries in a row; 0 means without end. */
  readonly reconnectAttempts: number;
  readonly observe?: Pick<SessionStatus, 'connecting' | 'lost'>;
  /** Resolves after `ms`. Rejects when `signal` aborts. */
  readonly pause: (ms: number) => Promise<void>;
};

export async function keepSession(options: SessionLoopOptions): Promise<LoopEnd> {
  const { logs, signal } = options;
  let failures = 0;
  while (true) {
    if (signal.aborted) return { kind: 'stopped' };
    options.observe?.connecting(failures);
    logs.info('ws', 'connecting to the studio', { studio: options.credentials.apiBaseUrl });
    const { end, welcomed } = await runSession(options);
    if (end.kind !== 'disconnected') return end;
    const next = afterDisconnect(failures, welcomed, options.reconnectAttempts);
    if (next.do === 'give-up') return { kind: 'cap-reached', why: end.why };
    failures = next.attempt;
    options.observe?.lost(next.attempt);
    logs.warn('ws', 'session lost, reconnecting', { why: end.why, attempt: next.attempt, waitMs: next.ms });
    try {
      await options.pause(next.ms);
    } catch {
      return { kind: 'stopped' };
    }
  }
}
