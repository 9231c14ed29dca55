// What is really free on the device, beside what the ledger believes: another program may hold memory, and a driver gives
// memory back some time after a process has gone.
import { setTimeout as sleep } from 'node:timers/promises';

/** In ms. Ollama's, which found that memory is back after 0.5 to 1.5 s. */
export type RecoveryTimes = { readonly everyMs: number; readonly msMax: number };

export const RECOVERY_TIMES: RecoveryTimes = { everyMs: 250, msMax: 5_000 };

/** Drivers keep a part for themselves, and other programs go on meanwhile, so not all of it is waited for. */
const BACK_RATIO = 0.75;

/** Pure: whether as much came back as can be expected of a model that took `bytes`. */
export function isBack(beforeBytes: number, nowBytes: number, bytes: number): boolean {
  return nowBytes - beforeBytes >= bytes * BACK_RATIO;
}

/**
 * Waits for the memory of a model that has gone: until it is back, nobody can tell any more, or the time is over.
 * `beforeBytes`: what was free while it was still there. When `signal` aborts, nobody needs it any more.
 */
export async function memoryIsBack(
  freeBytes: () => Promise<number | undefined>,
  wait: { beforeBytes: number; bytes: number; times?: RecoveryTimes; signal: AbortSignal },
): Promise<void> {
  const { beforeBytes, bytes, times = RECOVERY_TIMES, signal } = wait;
  const untilMs = performance.now() + times.msMax;
  for (;;) {
    const now = await freeBytes();
    if (now === undefined || isBack(beforeBytes, now, bytes) || performance.now() >= untilMs) return;
    await sleep(times.everyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
}
