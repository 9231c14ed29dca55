// Whether the worker is alive in the sense that matters: it hears its studio, or waits for something that is known to end.
// Each wait says how long it may take; a wait that takes longer is a worker that hangs, whatever it believes of itself.

export interface Vitals {
  /** The next sign of life comes within `ms`. `status` is what the worker does meanwhile, for people. */
  expect(ms: number, status?: string): void;
  /** As `expect`, for the end of the worker: what is expected after this no longer counts. */
  expectEnd(ms: number, status: string): void;
  readonly status: string;
  /** False when the last thing that was expected is overdue. */
  isAlive(): boolean;
}

/** `now` is in ms, and stands still while the machine sleeps, as the clocks of service managers do. */
export function openVitals(now: () => number = () => performance.now()): Vitals {
  let until = Number.POSITIVE_INFINITY;
  let status = 'starting';
  let ending = false;
  const expect = (ms: number, text: string): void => {
    until = now() + ms;
    status = text;
  };
  return {
    expect(ms, text = status) {
      if (!ending) expect(ms, text);
    },
    expectEnd(ms, text) {
      ending = true;
      expect(ms, text);
    },
    get status() {
      return status;
    },
    isAlive: () => now() <= until,
  };
}
