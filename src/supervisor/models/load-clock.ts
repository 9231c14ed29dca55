// How far a load is, and how long it will still take: by its own pace, and by how long the same model took before. Pure;
// times are in ms on any clock that does not jump.

export type LoadPhase = 'fetching' | 'loading';

export type LoadClock = {
  readonly phase: LoadPhase;
  readonly phaseAtMs: number;
  /** The first ratio of the phase: a download that goes on from earlier does not begin at 0. */
  readonly first?: { readonly ratio: number; readonly atMs: number };
  readonly ratio?: number;
  /** How long loading took the last time, fetching not counted. */
  readonly loadMsBefore?: number | undefined;
};

/** A pace of less than this is a guess. */
const PACE_MS_MIN = 500;

export function startClock(nowMs: number, loadMsBefore: number | undefined): LoadClock {
  return { phase: 'loading', phaseAtMs: nowMs, loadMsBefore };
}

export function inPhase(clock: LoadClock, phase: LoadPhase, nowMs: number): LoadClock {
  if (phase === clock.phase) return clock;
  return { phase, phaseAtMs: nowMs, loadMsBefore: clock.loadMsBefore };
}

/** Ratios never go back within a phase. */
export function atRatio(clock: LoadClock, given: number, nowMs: number): LoadClock {
  const ratio = Math.min(1, Math.max(clock.ratio ?? 0, Number.isFinite(given) ? given : 0));
  return { ...clock, ratio, first: clock.first ?? { ratio, atMs: nowMs } };
}

export type LoadProgress = { phase: LoadPhase; progress?: number; etaSeconds?: number };

export function readClock(clock: LoadClock, nowMs: number): LoadProgress {
  const { phase, ratio } = clock;
  const leftMs = phaseLeftMs(clock, nowMs);
  // After the files comes the load itself, if it is known how long that takes.
  const afterMs = phase === 'fetching' ? (clock.loadMsBefore ?? 0) : 0;
  return {
    phase,
    ...(ratio !== undefined && { progress: ratio }),
    ...(leftMs !== undefined && { etaSeconds: Math.max(1, Math.ceil((leftMs + afterMs) / 1000)) }),
  };
}

function phaseLeftMs({ phase, phaseAtMs, first, ratio, loadMsBefore }: LoadClock, nowMs: number): number | undefined {
  if (first && ratio !== undefined && ratio > first.ratio && nowMs - first.atMs >= PACE_MS_MIN) {
    return ((1 - ratio) * (nowMs - first.atMs)) / (ratio - first.ratio);
  }
  if (phase === 'fetching' || loadMsBefore === undefined) return undefined;
  return Math.max(0, loadMsBefore - (nowMs - phaseAtMs));
}
