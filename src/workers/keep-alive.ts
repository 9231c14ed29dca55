// Unloads idle models when their time is over. One timer for all of them.
import { expired, type Ledger, nextExpiryAt } from './ledger.ts';
import { TIMER_MS_MAX } from './watchdog.ts';

export type KeepAlive = {
  /** A model may have become idle. Costs nothing while the timer runs: it looks again when it is due. */
  touch(): void;
  configure(keepAliveMs: number): void;
  stop(): void;
};

export function openKeepAlive(
  keepAliveMs: number,
  ledger: () => Ledger,
  unload: (key: string) => Promise<void>,
): KeepAlive {
  let limitMs = keepAliveMs;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function sweep(): void {
    timer = undefined;
    if (stopped) return;
    for (const key of expired(ledger(), performance.now(), limitMs)) void unload(key);
    const dueAt = nextExpiryAt(ledger(), limitMs);
    if (dueAt === undefined) return;
    // Timers may fire up to a millisecond early; looking one later spares an empty round.
    timer = setTimeout(sweep, Math.min(Math.max(1, dueAt - performance.now() + 1), TIMER_MS_MAX));
  }

  return {
    touch() {
      // Not to be kept at all means now, not at the next tick.
      if (timer === undefined || limitMs === 0) sweep();
    },
    configure(next) {
      limitMs = next;
      clearTimeout(timer);
      sweep();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
