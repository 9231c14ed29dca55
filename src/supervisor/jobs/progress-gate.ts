// Lets a job's progress through at most four times a second, which is what the wire allows.

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
