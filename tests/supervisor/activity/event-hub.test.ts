// The stream of events: numbering, replay, readers that are slow, late or broken.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { EVENTS_KEPT, openEventHub } from '../../../src/supervisor/activity/event-hub.ts';
import type { EventHub, WorkerEvent } from '../../../src/supervisor/activity/types.ts';

function publish(hub: EventHub, count: number): void {
  for (let at = 0; at < count; at += 1) hub.publish('progress', { jobId: `job-${at}`, phase: 'running' });
}

const ids = (events: readonly WorkerEvent[]): number[] => events.map(({ id }) => id);

test('ids grow by one, and a reader finds what came after the last one it saw', () => {
  const hub = openEventHub(100);
  publish(hub, 3);
  assert.equal(hub.newestId, 102);
  assert.deepEqual(ids(hub.after(100).events), [101, 102]);
  assert.deepEqual(hub.after(102), { events: [], missed: false });
  const [event] = hub.after(101).events;
  assert.deepEqual([event?.type, event?.data], ['progress', { jobId: 'job-2', phase: 'running' }]);
  assert.match(String(event?.at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test('the newest 1,024 are kept, and whoever is further behind is told so', () => {
  const hub = openEventHub(1);
  publish(hub, EVENTS_KEPT + 10);
  const oldest = 11;
  assert.equal(EVENTS_KEPT, 1_024);
  assert.deepEqual(
    [hub.after(10).missed, hub.after(10).events.length, hub.after(10).events[0]?.id],
    [false, 1_024, oldest],
  );
  assert.deepEqual([hub.after(9).missed, hub.after(9).events[0]?.id], [true, oldest]);
});

for (const [what, id] of [
  ['of an earlier process', 5],
  ['that nobody gave out', 4_000],
  ['that is no number', Number.NaN],
  ['below zero', -1],
  ['that is a fraction', 101.5],
] as const) {
  test(`an id ${what} gives all that is kept, and says that something is missing`, () => {
    const hub = openEventHub(100);
    publish(hub, 3);
    assert.deepEqual([ids(hub.after(id).events), hub.after(id).missed], [[100, 101, 102], true]);
  });
}

test('ids of a later process are larger than those of an earlier one', async () => {
  const first = openEventHub();
  publish(first, 1_000);
  const [before] = first.after(0).events;
  assert.ok(before !== undefined && before.id >= Date.now() - 60_000);
});

test('a listener hears each event once and in order, never within the step that publishes', async () => {
  const hub = openEventHub(1);
  publish(hub, 2);
  const heard: number[] = [];
  const listening = hub.subscribe(({ id }) => heard.push(id));
  publish(hub, 2);
  assert.deepEqual(heard, []);
  await turn();
  assert.deepEqual(heard, [3, 4]);
  publish(hub, 1);
  listening[Symbol.dispose]();
  await turn();
  assert.deepEqual(heard, [3, 4]);
});

test('a listener that throws is let go; the others, and whoever publishes, notice nothing', async () => {
  const hub = openEventHub(1);
  const calls: string[] = [];
  hub.subscribe(() => {
    calls.push('broken');
    throw new Error('broken');
  });
  hub.subscribe(({ id }) => calls.push(`good ${id}`));
  publish(hub, 2);
  await turn();
  publish(hub, 1);
  await turn();
  assert.deepEqual(calls, ['broken', 'good 1', 'good 2', 'good 3']);
});

test('a listener may publish and may leave while it is called', async () => {
  const hub = openEventHub(1);
  const heard: number[] = [];
  const listening = hub.subscribe(({ id }) => {
    heard.push(id);
    if (id === 1) publish(hub, 1);
    if (id === 2) listening[Symbol.dispose]();
  });
  publish(hub, 1);
  await turn();
  await turn();
  publish(hub, 1);
  await turn();
  assert.deepEqual(heard, [1, 2]);
});

test('a reader that follows gets the past, then the present, and stops with its signal', async () => {
  const hub = openEventHub(1);
  publish(hub, 2);
  const leaving = new AbortController();
  const batches: number[][] = [];
  for await (const { events, missed } of hub.follow(0, leaving.signal)) {
    assert.equal(missed, false);
    batches.push(ids(events));
    if (batches.length === 1) publish(hub, 3);
    else leaving.abort();
  }
  assert.deepEqual(batches, [
    [1, 2],
    [3, 4, 5],
  ]);
});

test('a reader that is slow costs nothing, and is told what it missed', async () => {
  const hub = openEventHub(1, 4);
  const seen: [number[], boolean][] = [];
  const leaving = new AbortController();
  publish(hub, 1);
  for await (const { events, missed } of hub.follow(0, leaving.signal)) {
    seen.push([ids(events), missed]);
    if (seen.length > 1) break;
    publish(hub, 10);
  }
  assert.deepEqual(seen, [
    [[1], false],
    [[8, 9, 10, 11], true],
  ]);
});

test('a reader without news waits, and its end leaves no listener behind', async () => {
  const hub = openEventHub(1);
  const leaving = new AbortController();
  const reader = hub.follow(hub.newestId, leaving.signal)[Symbol.asyncIterator]();
  const next = reader.next();
  leaving.abort();
  assert.deepEqual(await next, { done: true, value: undefined });
});
