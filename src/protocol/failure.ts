// Every way a job can fail, and the one table that says whether another attempt may succeed. Match on `code`.

export const FAILURES = {
  /** The job itself is wrong: a bad size, an unreadable input, a prompt that does not fit. */
  INPUT_INVALID: { retryable: false },
  /** The engine does not do this kind of job. */
  KIND_UNSUPPORTED: { retryable: false },
  /** The engine is not part of this worker, or something it needs is not installed. */
  ENGINE_UNAVAILABLE: { retryable: false },
  /** The engine cannot find a file it needs among the offer's model files. */
  MODEL_SOURCE_MISSING: { retryable: false },
  /** The model's files are there and are not a model this engine can load. */
  MODEL_INVALID: { retryable: false },
  /** A URL that this worker does not fetch: not https, or an address that is not public. */
  ADDRESS_REFUSED: { retryable: false },
  /** The server has no such file, or does not give it to this worker. */
  MODEL_NOT_FOUND: { retryable: false },
  /** What the server sent is not the file that the offer means: its length or digest differs. */
  MODEL_CORRUPT: { retryable: true },
  /** The connection broke too often, or the server is out of order. */
  DOWNLOAD_FAILED: { retryable: true },
  /** No room for the model's files. */
  DISK_FULL: { retryable: true },
  /** The folder for models cannot be written. */
  MODELS_UNWRITABLE: { retryable: true },
  /** The model is larger than this worker may ever use. */
  MODEL_TOO_LARGE: { retryable: false },
  /** Memory is taken now; it may fit once a neighbour has gone. */
  VRAM_EXHAUSTED: { retryable: true },
  /** The engine reported an error of its own. */
  ENGINE_FAILED: { retryable: true },
  /** The engine's process or thread died. */
  ENGINE_CRASHED: { retryable: true },
  /** The engine made no progress for longer than its watchdog allows, and was killed. */
  ENGINE_HUNG: { retryable: true },
  /** The studio or the operator asked for the job to stop. */
  CANCELLED: { retryable: false },
  /** The model was unloaded on purpose while the job ran on it. */
  MODEL_UNLOADED: { retryable: true },
  /** The worker is stopping and hands the job back. */
  SHUTDOWN: { retryable: true },
  /** Too many jobs of this machine wait already. */
  QUEUE_FULL: { retryable: true },
  /** Whoever asked for the job no longer waits for it. */
  DEADLINE_PASSED: { retryable: true },
  /** The result could not be kept on disk. */
  OUTBOX_UNWRITABLE: { retryable: true },
  /** The studio did not take the result. */
  DELIVERY_FAILED: { retryable: true },
  /** A mistake in this program. */
  INTERNAL: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type FailureCode = keyof typeof FAILURES;

export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(FAILURES, value);
}

/** How a failure travels: over a port, in a `fail` frame (where its code is written in lower case), in a log. */
export type FailureReport = { code: FailureCode; message: string };

export class Failure extends Error {
  static {
    Failure.prototype.name = 'Failure';
  }
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }

  get retryable(): boolean {
    return FAILURES[this.code].retryable;
  }
}

/** Turns whatever was thrown into a failure; what carries no code of ours becomes `fallback`. */
export function toFailure(thrown: unknown, fallback: FailureCode): Failure {
  // An operator's own engine, in plain JavaScript, may have made one with a code that is none.
  if (thrown instanceof Failure && isFailureCode(thrown.code)) return thrown;
  // A class does not survive a thread or process boundary, so the code decides.
  const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(thrown);
  return new Failure(isFailureCode(code) ? code : fallback, text, { cause: thrown });
}
