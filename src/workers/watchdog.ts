// The timer of one load or run. It is armed once and looks again when it is due, so that a token costs a clock reading
// and not a timer.
import { judgeSilence } from './stall.ts';

/** The longest delay that a timer takes, 24.8 days; longer ones would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

export type Watchdog = {
  /** Something happened. */
  feed(): void;
  stop(): void;
};

export function openWatchdog(limitMs: number, waitsForUs: () => boolean, hung: () => void): Watchdog {
  let heardAt = performance.now();
  let timer = setTimeout(look, Math.min(limitMs, TIMER_MS_MAX));
  function look(): void {
    const waiting = waitsForUs();
    if (waiting) heardAt = performance.now();
    const decision = judgeSilence({ sinceMs: performance.now() - heardAt, limitMs, waitsForUs: waiting });
    if (decision.kind === 'hung') hung();
    else timer = setTimeout(look, Math.min(decision.inMs, TIMER_MS_MAX));
  }
  return {
    feed() {
      heardAt = performance.now();
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
