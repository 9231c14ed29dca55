// Every state with every event, as one table: the contract's, and what the host's sights do to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Effect, type Life, type LifeEvent, step } from '../../../src/supervisor/models/lifecycle.ts';

const unloaded: Life = { state: 'unloaded' };
const asked: Life = { state: 'loading', by: 'request', unloadNext: false };
const askedToGo: Life = { state: 'loading', by: 'request', unloadNext: true };
const byJob: Life = { state: 'loading', by: 'job', unloadNext: false };
const byJobToGo: Life = { state: 'loading', by: 'job', unloadNext: true };
const loaded: Life = { state: 'loaded' };
const leaving: Life = { state: 'unloading', by: 'request' };
const sentAway: Life = { state: 'unloading', by: 'host' };
const failed: Life = { state: 'failed', error: 'no room' };
const failedAgain: Life = { state: 'failed', error: 'broken' };

const load: LifeEvent = { kind: 'load' };
const unload: LifeEvent = { kind: 'unload' };
const hasLoaded: LifeEvent = { kind: 'loaded' };
const hasFailed: LifeEvent = { kind: 'loadFailed', error: 'broken' };
const hasUnloaded: LifeEvent = { kind: 'unloaded' };
const absent: LifeEvent = { kind: 'seen', sight: 'absent' };
const coming: LifeEvent = { kind: 'seen', sight: 'coming' };
const there: LifeEvent = { kind: 'seen', sight: 'loaded' };
const going: LifeEvent = { kind: 'seen', sight: 'leaving' };

const EVENTS = [load, unload, hasLoaded, hasFailed, hasUnloaded, absent, coming, there, going];

type Row = [before: Life, event: LifeEvent, after: Life, effect?: Effect];

const TABLE: Row[] = [
  [unloaded, load, asked, 'load'],
  [unloaded, unload, unloaded],
  [unloaded, hasLoaded, unloaded],
  [unloaded, hasFailed, unloaded],
  [unloaded, hasUnloaded, unloaded],
  [unloaded, absent, unloaded],
  [unloaded, coming, byJob],
  [unloaded, there, loaded],
  [unloaded, going, sentAway],

  [asked, load, asked],
  [asked, unload, askedToGo],
  [asked, hasLoaded, loaded],
  [asked, hasFailed, failedAgain],
  [asked, hasUnloaded, asked],
  [asked, absent, asked],
  [asked, coming, asked],
  [asked, there, asked],
  [asked, going, asked],

  [askedToGo, load, asked],
  [askedToGo, unload, askedToGo],
  [askedToGo, hasLoaded, leaving, 'unload'],
  [askedToGo, hasFailed, unloaded],
  [askedToGo, hasUnloaded, askedToGo],
  [askedToGo, absent, askedToGo],
  [askedToGo, coming, askedToGo],
  [askedToGo, there, askedToGo],
  [askedToGo, going, askedToGo],

  [byJob, load, asked, 'load'],
  [byJob, unload, byJobToGo],
  [byJob, hasLoaded, byJob],
  [byJob, hasFailed, byJob],
  [byJob, hasUnloaded, byJob],
  [byJob, absent, unloaded],
  [byJob, coming, byJob],
  [byJob, there, loaded],
  [byJob, going, sentAway],

  [byJobToGo, load, asked, 'load'],
  [byJobToGo, unload, byJobToGo],
  [byJobToGo, hasLoaded, byJobToGo],
  [byJobToGo, hasFailed, byJobToGo],
  [byJobToGo, hasUnloaded, byJobToGo],
  [byJobToGo, absent, unloaded],
  [byJobToGo, coming, byJobToGo],
  [byJobToGo, there, leaving, 'unload'],
  [byJobToGo, going, sentAway],

  [loaded, load, loaded],
  [loaded, unload, leaving, 'unload'],
  [loaded, hasLoaded, loaded],
  [loaded, hasFailed, loaded],
  [loaded, hasUnloaded, loaded],
  [loaded, absent, unloaded],
  [loaded, coming, byJob],
  [loaded, there, loaded],
  [loaded, going, sentAway],

  [leaving, load, leaving],
  [leaving, unload, leaving],
  [leaving, hasLoaded, leaving],
  [leaving, hasFailed, leaving],
  [leaving, hasUnloaded, unloaded],
  [leaving, absent, leaving],
  [leaving, coming, leaving],
  [leaving, there, leaving],
  [leaving, going, leaving],

  [sentAway, load, sentAway],
  [sentAway, unload, sentAway],
  [sentAway, hasLoaded, sentAway],
  [sentAway, hasFailed, sentAway],
  [sentAway, hasUnloaded, sentAway],
  [sentAway, absent, unloaded],
  [sentAway, coming, byJob],
  [sentAway, there, loaded],
  [sentAway, going, sentAway],

  [failed, load, asked, 'load'],
  [failed, unload, unloaded],
  [failed, hasLoaded, failed],
  [failed, hasFailed, failed],
  [failed, hasUnloaded, failed],
  [failed, absent, failed],
  [failed, coming, byJob],
  [failed, there, loaded],
  [failed, going, failed],
];

const name = (life: Life): string => JSON.stringify(life);

for (const [before, event, after, effect] of TABLE) {
  const begins = effect === undefined ? '' : ` and begins to ${effect}`;
  test(`${name(before)} takes ${JSON.stringify(event)} to ${name(after)}${begins}`, () => {
    assert.deepEqual(step(before, event), effect === undefined ? { life: after } : { life: after, effect });
  });
}

test('the table has every state with every event', () => {
  const pairs = new Set(TABLE.map(([before, event]) => `${name(before)} ${JSON.stringify(event)}`));
  const states = new Set(TABLE.map(([before]) => name(before)));
  assert.equal(states.size, 9);
  assert.equal(pairs.size, states.size * EVENTS.length);
});
