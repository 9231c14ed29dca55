// Keeps one broken model from taking every job down with it: three failures in a row of one (kind, model) rest that
// model for three minutes. The worker goes on. Time is handed in, so that the rules can be tested by tables.
import type { FailureCode, TaskKind } from '../../protocol/index.ts';

/** Failures in a row before a model rests. As in AI Horde's worker, which has met every kind of broken model. */
const FAILURES_MAX = 3;

/** How long a model rests, in ms. */
const REST_MS = 180_000;

/** Models remembered; the one that failed longest ago is forgotten first. */
const MODELS_MAX = 256;

/**
 * Only what says something about the model, its files or its engine counts; a bad request or a cancel does not. A file
 * with a wrong digest would otherwise be downloaded again for every job.
 */
const COUNTED: ReadonlySet<FailureCode> = new Set([
  'ENGINE_FAILED',
  'ENGINE_CRASHED',
  'ENGINE_HUNG',
  'MODEL_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_CORRUPT',
  'DOWNLOAD_FAILED',
  'DISK_FULL',
  'MODELS_UNWRITABLE',
  'VRAM_EXHAUSTED',
  'INTERNAL',
]);

export class Breaker {
  readonly #models = new Map<string, { failures: number; restingUntilMs: number | undefined }>();

  succeeded(kind: TaskKind, model: string): void {
    this.#models.delete(keyOf(kind, model));
  }

  /** Returns how long the model rests from now, in ms, when this failure was one too many. */
  failed(kind: TaskKind, model: string, code: FailureCode, nowMs: number): number | undefined {
    if (!COUNTED.has(code)) return undefined;
    const key = keyOf(kind, model);
    const failures = (this.#models.get(key)?.failures ?? 0) + 1;
    const tripped = failures >= FAILURES_MAX;
    this.#models.delete(key); // Put back at the end: the map's order is the order of the last failure.
    // After the rest one more failure is enough: the model has to prove itself with a success.
    this.#models.set(key, {
      failures: tripped ? FAILURES_MAX - 1 : failures,
      restingUntilMs: tripped ? nowMs + REST_MS : undefined,
    });
    if (this.#models.size > MODELS_MAX) {
      for (const oldest of this.#models.keys()) {
        this.#models.delete(oldest);
        break;
      }
    }
    return tripped ? REST_MS : undefined;
  }

  /** Milliseconds since the epoch until which the model rests, if it does. */
  restingUntilMs(kind: TaskKind, model: string): number | undefined {
    return this.#models.get(keyOf(kind, model))?.restingUntilMs;
  }
}

function keyOf(kind: TaskKind, model: string): string {
  return `${kind} ${model}`;
}
