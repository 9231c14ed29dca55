// Unloads idle models when their time is over. One timer for all of them.
import { expired, type Ledger, nextExpiryAt } from './ledger.ts';
import { TIMER_MS_MAX } from './watchdog.ts';

export type KeepAlive = {
  /** A model may have become idle. Does nothing while the timer is due before it. */
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
  let timerAt = Number.POSITIVE_INFINITY;
  let stopped = false;

  function sweep(): void {
    clearTimeout(timer);
    timerAt = Number.POSITIVE_INFINITY;
    if (stopped) return;
    for (const key of expired(ledger(), performance.now(), limitMs)) void unload(key);
    const dueAt = nextExpiryAt(ledger(), limitMs);
    if (dueAt === undefined) return;
    timerAt = dueAt;
    // Timers may fire up to a millisecond early; looking one later spares an empty round.
    timer = setTimeout(sweep, Math.min(Math.max(1, dueAt - performance.now() + 1), TIMER_MS_MAX));
  }

  return {
    touch() {
      const dueAt = nextExpiryAt(ledger(), limitMs);
      if (dueAt !== undefined && dueAt < timerAt) sweep();
    },
    configure(next) {
      limitMs = next;
      sweep();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
