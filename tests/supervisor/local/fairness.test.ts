// A flood of the one never starves the other: local jobs and the studio's on one real host, in a pool with one place, on
// a model that one party keeps busy, and over memory that pools share. Bounds are counted in completions, not in time.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { claim, openScene, request, type Scene, type Wish } from './scene.ts';

/** Keeps `atOnce` local jobs asked for, until it is told to stop. */
type Flood = Disposable & { done(): number };

function floodLocally({ local }: Scene, atOnce: number, wish: Wish): Flood {
  let stopped = false;
  let done = 0;
  const one = async (): Promise<void> => {
    while (!stopped) {
      await local.run(request({ ms: 15 }, wish)).then(
        () => {
          done += 1;
        },
        () => {
          stopped = true;
        },
      );
    }
  };
  for (let at = 0; at < atOnce; at += 1) void one();
  return {
    [Symbol.dispose]() {
      stopped = true;
    },
    done: () => done,
  };
}

/** A studio with more jobs than places: it offers at once when one has ended, and again when it hears of a place. */
function floodFromStudio({ jobs, activity, turns }: Scene, atOnce: number, wish: Wish): Flood {
  let stopped = false;
  let count = 0;
  let done = 0;
  let refused = 0;
  const offer = (): void => {
    if (stopped) return;
    count += 1;
    const jobId = `studio-${count}`;
    // Of uneven length, so that their model is never without one of them.
    jobs.offered(claim(jobId, { ms: 50 + 100 * (count % 3) }, wish));
    if (!jobs.running().includes(jobId)) refused += 1;
  };
  activity.events.subscribe(({ type, data }) => {
    if (type !== 'job' || data.source !== 'studio' || data.status === 'running') return;
    done += 1;
    offer();
  });
  const offerAgain = (): void => {
    const again = refused;
    refused = 0;
    for (let at = 0; at < again; at += 1) offer();
  };
  // As after a heartbeat, which a worker sends when it has a place.
  turns.changes.addEventListener('place', () => setImmediate(offerAgain));
  const retry = setInterval(offerAgain, 20);
  for (let at = 0; at < atOnce; at += 1) offer();
  return {
    [Symbol.dispose]() {
      stopped = true;
      clearInterval(retry);
    },
    done: () => done,
  };
}

/** Offers as a studio does: when it is refused, again as soon as the worker says that there is a place. */
async function offerUntilAccepted({ jobs, turns }: Scene, jobId: string, wish: Wish): Promise<number> {
  for (let offers = 1; ; offers += 1) {
    const place = once(turns.changes, 'place');
    jobs.offered(claim(jobId, { ms: 5 }, wish));
    if (jobs.running().includes(jobId)) return offers;
    await place;
  }
}

const scenes: [string, { patch: Parameters<typeof openScene>[0]; flood: Wish; other: Wish; places: number }][] = [
  ['one place, one model', { patch: {}, flood: {}, other: {}, places: 1 }],
  [
    'a shared model that is never idle, and another model',
    { patch: { pool: { concurrency: 4 } }, flood: {}, other: { model: 'test-b' }, places: 4 },
  ],
  [
    'memory that a model of another kind holds',
    { patch: { deviceBytes: 1.5 * 2 ** 30, pool: { concurrency: 2 } }, flood: { kind: 'image' }, other: {}, places: 2 },
  ],
];

for (const [what, { patch, flood, other, places }] of scenes) {
  test(`a flood of local jobs lets the studio in: ${what}`, async () => {
    await using scene = await openScene(patch);
    using local = floodLocally(scene, 3 * places, flood);
    await scene.rig.until(() => scene.local.running().length === places);
    for (let at = 1; at <= 3; at += 1) {
      const before = local.done();
      await offerUntilAccepted(scene, `studio-${at}`, other);
      const waited = local.done() - before;
      // Those that ran already, and at most one that took its turn.
      assert.ok(waited <= places + 1, `${waited} local jobs were done before the studio's turn ${at}`);
      await scene.jobs.idle();
    }
  });

  test(`a flood of the studio's jobs lets local ones in: ${what}`, async () => {
    await using scene = await openScene(patch);
    using studio = floodFromStudio(scene, places + 1, flood);
    await scene.rig.until(() => scene.jobs.running().length === places);
    for (let at = 1; at <= 3; at += 1) {
      let waited = 0;
      const before = studio.done();
      const started = () => {
        waited = studio.done() - before;
      };
      await scene.local.run(request({ ms: 5 }, other, { observer: { started } }));
      assert.ok(waited <= places + 1, `${waited} jobs of the studio were done before local job ${at}`);
    }
  });
}

test('both flooding, both are served', async () => {
  await using scene = await openScene();
  using local = floodLocally(scene, 4, {});
  using studio = floodFromStudio(scene, 2, {});
  await scene.rig.until(() => local.done() + studio.done() >= 60);
  const share = studio.done() / (local.done() + studio.done());
  assert.ok(share > 0.3 && share < 0.7, `the studio got ${share}`);
});
