// What of an engine's progress goes onto the wire: at most four messages a second, and only numbers that the studio
// accepts. It would end the session over a bad one, and an engine may be somebody else's.
import type { RunProgress } from '../../workers/types.ts';

const INTERVAL_MS = 250;

export class ProgressGate {
  #lastMs = Number.NEGATIVE_INFINITY;

  /** Whether progress at this moment (a monotonic clock, in ms) may be sent. */
  passes(nowMs: number): boolean {
    if (nowMs - this.#lastMs < INTERVAL_MS) return false;
    this.#lastMs = nowMs;
    return true;
  }
}

/** `undefined` when it says nothing: a ratio that is not a number. */
export function wireProgress({ ratio, step, steps }: RunProgress): RunProgress | undefined {
  if (Number.isNaN(ratio)) return undefined;
  const wire: RunProgress = { ratio: Math.min(1, Math.max(0, ratio)) };
  if (isCount(step)) wire.step = step;
  if (isCount(steps)) wire.steps = steps;
  return wire;
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
