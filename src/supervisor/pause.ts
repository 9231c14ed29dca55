// Waiting that ends early: for the end of a time, a signal, or a change of the configuration.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** The longest time that a timer of Node can wait, in ms (24 days); with a longer one it would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Resolves after `ms`, or after 24 days if that is less. Rejects with the signal's reason when it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(ms, TIMER_MS_MAX), undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** As `pause`, but resolves early when `target` dispatches `event`. Returns whether that ended it. */
export async function pauseUntil(
  ms: number,
  target: EventTarget,
  event: string,
  signal: AbortSignal,
): Promise<boolean> {
  const either = new AbortController();
  const both = AbortSignal.any([signal, either.signal]);
  try {
    return await Promise.race([
      pause(ms, both).then(() => false),
      once(target, event, { signal: both }).then(() => true),
    ]);
  } finally {
    either.abort();
  }
}

/** Resolves with whether `promise` settled within `ms` and before `signal` aborted. Never rejects. */
export async function settlesWithin(promise: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const stop = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([
      settled,
      pause(ms, stop).then(
        () => false,
        () => false,
      ),
    ]);
  } finally {
    over.abort();
  }
}
