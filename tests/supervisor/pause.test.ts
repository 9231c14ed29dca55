// Waiting that ends early, and leaves neither listeners nor timers behind.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { pause, pauseUntil, settlesWithin } from '../../src/supervisor/pause.ts';

const never = new Promise<never>(() => {});
const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;

/** Runs `work` and checks that it left nothing behind on `targets`, nor a timer. */
async function leavesNothing<T>(targets: EventTarget[], work: () => Promise<T>): Promise<T> {
  const before = timers();
  try {
    return await work();
  } finally {
    for (const target of targets) {
      assert.equal(getEventListeners(target, 'abort').length, 0);
      assert.equal(getEventListeners(target, 'change').length, 0);
    }
    assert.equal(timers(), before);
  }
}

test('a pause ends after its time', async () => {
  const { signal } = new AbortController();
  await leavesNothing([signal], () => pause(1, signal));
});

test('a pause rejects with the reason of its signal', async () => {
  const controller = new AbortController();
  const reason = new Error('the worker stops');
  await leavesNothing([controller.signal], async () => {
    const waiting = pause(60_000, controller.signal);
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });
});

test('a pause with an aborted signal does not wait', async () => {
  await leavesNothing([], () =>
    assert.rejects(pause(60_000, AbortSignal.abort('over')), (thrown) => thrown === 'over'),
  );
});

test('a pause longer than any timer waits, instead of firing at once', async () => {
  const controller = new AbortController();
  const long = pause(2 ** 40, controller.signal).then(
    () => 'elapsed',
    () => 'aborted',
  );
  await pause(20, new AbortController().signal);
  controller.abort();
  assert.equal(await long, 'aborted');
});

test('a pause until an event ends with the event', async () => {
  const target = new EventTarget();
  const { signal } = new AbortController();
  await leavesNothing([target, signal], async () => {
    const waiting = pauseUntil(60_000, target, 'change', signal);
    target.dispatchEvent(new Event('change'));
    assert.equal(await waiting, true);
  });
});

test('a pause until an event ends after its time without it', async () => {
  const target = new EventTarget();
  const { signal } = new AbortController();
  await leavesNothing([target, signal], async () => assert.equal(await pauseUntil(1, target, 'change', signal), false));
});

test('a pause until an event ends with the signal', async () => {
  const target = new EventTarget();
  const controller = new AbortController();
  await leavesNothing([target, controller.signal], async () => {
    const waiting = pauseUntil(60_000, target, 'change', controller.signal);
    controller.abort();
    await assert.rejects(waiting);
  });
});

test('many pauses on one signal do not pile up listeners', async () => {
  const target = new EventTarget();
  const { signal } = new AbortController();
  await leavesNothing([target, signal], async () => {
    for (let count = 0; count < 50; count += 1) {
      const waiting = pauseUntil(60_000, target, 'change', signal);
      target.dispatchEvent(new Event('change'));
      await waiting;
      await settlesWithin(Promise.resolve(), 60_000, signal);
    }
  });
});

const settled: [string, () => Promise<unknown>, boolean][] = [
  ['a promise that is fulfilled', async () => 1, true],
  ['a promise that is rejected', async () => Promise.reject(new Error('x')), true],
  ['a promise that never settles', () => never, false],
];
for (const [what, promise, expected] of settled) {
  test(`${what} ${expected ? 'settles' : 'does not settle'} in time`, async () => {
    const { signal } = new AbortController();
    assert.equal(
      await leavesNothing([signal], () => settlesWithin(promise(), expected ? 60_000 : 5, signal)),
      expected,
    );
    assert.equal(await settlesWithin(promise(), expected ? 60_000 : 5), expected);
  });
}

test('patience ends with the signal', async () => {
  const controller = new AbortController();
  await leavesNothing([controller.signal], async () => {
    const waiting = settlesWithin(never, 60_000, controller.signal);
    controller.abort();
    assert.equal(await waiting, false);
  });
});

test('what has settled already counts even when the signal has aborted', async () => {
  assert.equal(await settlesWithin(Promise.resolve(), 60_000, AbortSignal.abort()), true);
  assert.equal(await settlesWithin(never, 60_000, AbortSignal.abort()), false);
});
