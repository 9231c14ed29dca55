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
      return { kind: 'auth-failed', reason: `server closed 4001: ${inOneLine(reason)}` };
    // Another process holds this worker id, or an operator deleted it: reconnecting would fight the first and bother
    // the second, so it is fatal even when no `error` frame came before the close.
    case CloseCode.duplicateWorker:
      return {
        kind: 'fatal',
        reason: `duplicate_worker: ${inOneLine(reason) || 'another worker connected with these credentials'}`,
      };
    case CloseCode.workerDeleted:
      return { kind: 'fatal', reason: `worker_deleted: ${inOneLine(reason) || 'an operator deleted this worker'}` };
    default:
      return {
        kind: 'disconnected',
        why: `connection closed (${code}${reason === '' ? '' : `: ${inOneLine(reason)}`})`,
      };
  }
}

export function endOfErrorFrame(code: string, message: string): SessionEnd {
  return code === 'auth_failed'
    ? { kind: 'auth-failed', reason: inOneLine(message) }
    : { kind: 'fatal', reason: inOneLine(`${code}: ${message}`) };
}

export function endOfUpgrade(status: number, body: string): SessionEnd {
  if (status === 401) return { kind: 'auth-failed', reason: '401 on websocket upgrade' };
  const quoted = inOneLine(body);
  return { kind: 'disconnected', why: `HTTP ${status} on websocket upgrade${quoted === '' ? '' : `: ${quoted}`}` };
}

/** Characters of what the other end said that are quoted. */
const QUOTED_CHARS_MAX = 300;

/** It ends up on a terminal: nothing there may look like a line of ours, or steer the terminal. */
function inOneLine(text: string): string {
  const line = text
    .slice(0, 4 * QUOTED_CHARS_MAX)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  return line.length > QUOTED_CHARS_MAX ? `${line.slice(0, QUOTED_CHARS_MAX)}…` : line;
}
