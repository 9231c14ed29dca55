// When a full queue is worth another try. Pure: a guess from what the last jobs took.

/** Upstream says 2 s, whatever is going on. */
const SECS_MIN = 2;
/** A caller that waits longer than this for a hint would rather be told nothing. */
const SECS_MAX = 60;
/** The weight of the latest run in the average. */
const WEIGHT = 0.25;

/** `runMs`: of an average run, `undefined` before the first. `places`: jobs that run at one time. */
export function retryAfterSecs(waiting: number, runMs: number | undefined, places: number): number {
  const ms = ((runMs ?? 0) * waiting) / Math.max(1, places);
  return Math.min(SECS_MAX, Math.max(SECS_MIN, Math.ceil(ms / 1000)));
}

export function averageWith(average: number | undefined, runMs: number): number {
  return average === undefined ? runMs : average + WEIGHT * (runMs - average);
}
