// When silence means hung. Pure; the timer that asks is watchdog.ts.

/** Silence after which a load or a run counts as hung, when the engine does not say otherwise. */
export const STALL_DEFAULTS = { loadStallMs: 300_000, runStallMs: 60_000 } as const;

export type Silence = {
  readonly sinceMs: number;
  readonly limitMs: number;
  /** The engine waits for us (its result is being written), so its silence says nothing. */
  readonly waitsForUs: boolean;
};

export type StallDecision = { readonly kind: 'hung' } | { readonly kind: 'lookAgain'; readonly inMs: number };

export function judgeSilence({ sinceMs, limitMs, waitsForUs }: Silence): StallDecision {
  if (waitsForUs) return { kind: 'lookAgain', inMs: limitMs };
  // Less than a millisecond is left to the rounding of timers.
  const leftMs = limitMs - sinceMs;
  return leftMs < 1 ? { kind: 'hung' } : { kind: 'lookAgain', inMs: leftMs };
}
