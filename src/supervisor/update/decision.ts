// What the automatic updater does next. Pure: what is so goes in, the next step or the outcome comes out.
//
//   due ─disabled→ Disabled
//       ─jobs run→ SkippedBusy, for half an hour at most ─check→ CheckError | UpToDate | Notified | a newer release
//       ─stage→ UpdateError ─drain→ SkippedBusy (jobs did not end in time) | Updated (restarts into the trial)

export type CheckResult =
  | { readonly kind: 'error'; readonly why: string }
  | { readonly kind: 'nothing-newer' }
  | { readonly kind: 'newer'; readonly version: string };

export type Facts = {
  readonly enabled: boolean;
  /** A git clone and an npm package are told of new versions and never touched. */
  readonly managed: boolean;
  readonly busy: boolean;
  /** Since the update became due, on a monotonic clock. */
  readonly overdueMs: number;
  readonly check?: CheckResult;
  readonly staged?: { readonly ok: true } | { readonly ok: false; readonly why: string };
  /** Whether every job ended while no new one was taken. */
  readonly drained?: boolean;
};

export type Outcome =
  | { readonly kind: 'Disabled' }
  | { readonly kind: 'SkippedBusy' }
  | { readonly kind: 'CheckError'; readonly why: string }
  | { readonly kind: 'UpToDate' }
  | { readonly kind: 'Notified'; readonly version: string }
  | { readonly kind: 'UpdateError'; readonly why: string }
  | { readonly kind: 'Updated'; readonly version: string };

export type Next =
  | { readonly do: 'end'; readonly outcome: Outcome }
  | { readonly do: 'check' }
  | { readonly do: 'stage'; readonly version: string }
  | { readonly do: 'drain'; readonly version: string };

/**
 * How long jobs put an update off, in ms. A machine that is never idle would else never be updated; after this time no
 * new job is taken until the running ones have ended.
 */
export const PATIENCE_MS = 30 * 60_000;

export function decide(facts: Facts): Next {
  const { enabled, managed, busy, overdueMs, check, staged, drained } = facts;
  const end = (outcome: Outcome): Next => ({ do: 'end', outcome });
  if (!enabled) return end({ kind: 'Disabled' });
  // A jump of the clock cannot end the patience early: the time is not taken from it.
  const putOff = busy && managed && overdueMs < PATIENCE_MS;
  if (check === undefined) return putOff ? end({ kind: 'SkippedBusy' }) : { do: 'check' };
  if (check.kind === 'error') return end({ kind: 'CheckError', why: check.why });
  if (check.kind === 'nothing-newer') return end({ kind: 'UpToDate' });
  const { version } = check;
  if (!managed) return end({ kind: 'Notified', version });
  // Downloading takes the network from jobs that fetch models, so it waits as well.
  if (staged === undefined) return putOff ? end({ kind: 'SkippedBusy' }) : { do: 'stage', version };
  if (!staged.ok) return end({ kind: 'UpdateError', why: staged.why });
  if (drained === undefined) return putOff ? end({ kind: 'SkippedBusy' }) : { do: 'drain', version };
  return end(drained ? { kind: 'Updated', version } : { kind: 'SkippedBusy' });
}
