// Why a session ended, and what that means for the next one. Pure.
import { CloseCode } from '../../protocol/index.ts';

export type SessionEnd =
  /** The connection is gone; another may be tried. */
  | { readonly kind: 'disconnected'; readonly why: string }
  /** The studio does not know these credentials. Trying again would change nothing. */
  | { readonly kind: 'auth-failed'; readonly reason: string }
  /** The studio said that this worker must stop. */
  | { readonly kind: 'fatal'; readonly reason: string }
  /** The worker itself ended the session. */
  | { readonly kind: 'stopped' };

export function endOfClose(code: number, reason: string): SessionEnd {
  switch (code) {
    case CloseCode.authFailed:
      return { kind: 'auth-failed', reason: `server closed 4001: ${reason}` };
    // Another process holds this worker id, or an operator deleted it: reconnecting would fight the first and bother
    // the second, so it is fatal even when no `error` frame came before the close.
    case CloseCode.duplicateWorker:
      return {
        kind: 'fatal',
        reason: `duplicate_worker: ${reason || 'another worker connected with these credentials'}`,
      };
    case CloseCode.workerDeleted:
      return { kind: 'fatal', reason: `worker_deleted: ${reason || 'an operator deleted this worker'}` };
    default:
      return { kind: 'disconnected', why: `connection closed (${code}${reason === '' ? '' : `: ${reason}`})` };
  }
}

export function endOfErrorFrame(code: string, message: string): SessionEnd {
  return code === 'auth_failed'
    ? { kind: 'auth-failed', reason: message }
    : { kind: 'fatal', reason: `${code}: ${message}` };
}

/** Characters of a refused upgrade's answer that are quoted. */
const QUOTED_CHARS_MAX = 300;

export function endOfUpgrade(status: number, body: string): SessionEnd {
  if (status === 401) return { kind: 'auth-failed', reason: '401 on websocket upgrade' };
  const text = body.trim();
  const quoted = text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text;
  return { kind: 'disconnected', why: `HTTP ${status} on websocket upgrade${quoted === '' ? '' : `: ${quoted}`}` };
}
