// How long to wait before the next connection, and when to give up. Pure.

/** First wait, in ms; each further failure doubles it. */
const FIRST_MS = 1_000;

/** Longest wait, in ms. */
const MAX_MS = 30_000;

/** Wait before connection attempt `attempt` (1 is the first retry), in ms. */
export function backoffMs(attempt: number): number {
  return Math.min(FIRST_MS * 2 ** (attempt - 1), MAX_MS);
}

export type Reconnect =
  | { readonly do: 'wait'; readonly attempt: number; readonly ms: number }
  | { readonly do: 'give-up' };

/**
 * `failures`: sessions in a row that ended without a welcome, before this one. `cap`: how many retries in a row are
 * allowed; 0 means without end. A welcomed session starts the count anew.
 */
export function afterDisconnect(failures: number, welcomed: boolean, cap: number): Reconnect {
  const attempt = (welcomed ? 0 : failures) + 1;
  return cap > 0 && attempt > cap ? { do: 'give-up' } : { do: 'wait', attempt, ms: backoffMs(attempt) };
}
