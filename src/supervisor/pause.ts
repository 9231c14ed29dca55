// Waiting that ends early: for the end of a time, a signal, or a change of the configuration.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after `ms`. Rejects with the signal's reason when it aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** As `pause`, but resolves early when `target` dispatches `event`. */
export async function pauseUntil(ms: number, target: EventTarget, event: string, signal: AbortSignal): Promise<void> {
  const either = new AbortController();
  const both = AbortSignal.any([signal, either.signal]);
  try {
    await Promise.race([pause(ms, both), once(target, event, { signal: both })]);
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
