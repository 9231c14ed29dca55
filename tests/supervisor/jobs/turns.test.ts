// Refused offers: that a place is kept for what was refused because of local jobs, that the studio is told, and that the
// place is given up when it does not come.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Ask, openTurns, TURNS_TIMES, type Turns } from '../../../src/supervisor/jobs/turns.ts';
import type { Verdict } from '../../../src/workers/types.ts';
import { syntheticJob } from '../../workers/rig.ts';

const READY: Verdict = { kind: 'ready' };
const BUSY: Verdict = { kind: 'busy', why: 'no free place' };
const ask: Ask = syntheticJob('llm');

type Scene = Disposable & { readonly turns: Turns; readonly told: string[]; verdict: Verdict };

function openScene(t: TestContext): Scene {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const scene: Scene = {
    told,
    verdict: BUSY,
    turns: openTurns({ host: { verdict: () => scene.verdict } }),
    [Symbol.dispose]: () => scene.turns[Symbol.dispose](),
  };
  for (const type of ['place', 'change']) scene.turns.changes.addEventListener(type, () => told.push(type));
  return scene;
}

const places = ({ told }: Scene): number => told.filter((type) => type === 'place').length;

test('without local jobs a verdict stays as it is, and nothing is remembered', (t) => {
  using scene = openScene(t);
  for (const verdict of [READY, BUSY, { kind: 'never', code: 'MODEL_TOO_LARGE', why: 'x' }] as const) {
    assert.equal(scene.turns.offered(ask, verdict), verdict);
  }
  scene.verdict = READY;
  scene.turns.hostChanged();
  assert.deepEqual([places(scene), scene.turns.mayStart('llm')], [0, true]);
});

test('a place is kept for an offer that local jobs were in the way of, and the studio is told once', (t) => {
  using scene = openScene(t);
  const over = scene.turns.started('local', 'llm');
  scene.turns.offered(ask, BUSY);
  assert.equal(scene.turns.mayStart('llm'), false, 'nothing more begins in front of it');
  scene.turns.hostChanged();
  assert.equal(places(scene), 0);
  scene.verdict = READY;
  scene.turns.hostChanged();
  over();
  scene.turns.hostChanged();
  assert.deepEqual([places(scene), scene.turns.mayStart('llm')], [1, false]);
  assert.equal(scene.turns.offered(ask, READY), READY);
  scene.turns.started('studio', 'llm');
  assert.equal(scene.turns.mayStart('llm'), true);
});

test('a kept place is given up when the studio does not come for it', (t) => {
  using scene = openScene(t);
  scene.turns.started('local', 'llm')();
  scene.turns.started('local', 'llm');
  scene.turns.offered(ask, BUSY);
  scene.verdict = READY;
  scene.turns.hostChanged();
  t.mock.timers.tick(TURNS_TIMES.keptMs - 1);
  assert.equal(scene.turns.mayStart('llm'), false);
  scene.told.length = 0;
  t.mock.timers.tick(1);
  assert.deepEqual([scene.turns.mayStart('llm'), scene.told], [true, ['change']]);
});

test('a refused offer counts until the studio would have come back with it', (t) => {
  using scene = openScene(t);
  scene.turns.started('local', 'llm');
  scene.turns.offered(ask, BUSY);
  t.mock.timers.tick(TURNS_TIMES.wantMs - 1);
  assert.equal(scene.turns.mayStart('llm'), false);
  scene.turns.offered(ask, BUSY);
  t.mock.timers.tick(TURNS_TIMES.wantMs - 1);
  assert.equal(scene.turns.mayStart('llm'), false, 'it came back, and counts anew');
  t.mock.timers.tick(1);
  assert.equal(scene.turns.mayStart('llm'), true);
});

test('an offer is refused while it is the turn of a local job that the studio’s jobs hold up', (t) => {
  using scene = openScene(t);
  const over = scene.turns.started('studio', 'llm');
  scene.turns.localWants('llm', { memory: false });
  const verdict = scene.turns.offered(ask, READY);
  assert.deepEqual(verdict, { kind: 'busy', why: 'it is the turn of a job that waits on this machine' });
  assert.equal(scene.turns.mayStart('llm'), true);
  scene.turns.started('local', 'llm');
  scene.turns.localWants('llm', { memory: false });
  over();
  scene.verdict = READY;
  scene.turns.hostChanged();
  assert.deepEqual([places(scene), scene.turns.offered(ask, READY), scene.turns.mayStart('llm')], [1, READY, false]);
});

test('a session that is over leaves nothing behind that local jobs would wait for', (t) => {
  using scene = openScene(t);
  scene.turns.started('local', 'llm');
  scene.turns.offered(ask, BUSY);
  scene.told.length = 0;
  scene.turns.forgetOffers();
  assert.deepEqual([scene.turns.mayStart('llm'), scene.told], [true, ['change']]);
});

test('an end that is told twice counts once', (t) => {
  using scene = openScene(t);
  const over = scene.turns.started('local', 'llm');
  scene.turns.started('local', 'llm');
  over();
  over();
  scene.turns.offered(ask, BUSY);
  assert.equal(scene.turns.mayStart('llm'), false, 'the second local job still runs');
});
