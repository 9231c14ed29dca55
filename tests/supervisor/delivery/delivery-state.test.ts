// The life of a finished result: every state with every event, and which parked results go.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type DeliveryEffect,
  type DeliveryEvent,
  type DeliveryState,
  deliveryStep,
  expiredParked,
  PARKED_MAX,
  PARKED_MS_MAX,
} from '../../../src/supervisor/delivery/delivery-state.ts';

const waiting: DeliveryState = { kind: 'waiting' };
const sending: DeliveryState = { kind: 'sending' };
const sendingAgain: DeliveryState = { kind: 'sending', offeredAgain: true };
const parked: DeliveryState = { kind: 'parked', sinceMs: 5 };
const parkedNow: DeliveryState = { kind: 'parked', sinceMs: 9 };

const nothing: DeliveryEffect = { do: 'nothing' };
const send: DeliveryEffect = { do: 'send' };
const remove: DeliveryEffect = { do: 'remove' };
const failJob: DeliveryEffect = { do: 'fail-job', why: 'HTTP 500' };

type Row = [event: DeliveryEvent, ...steps: [DeliveryState, DeliveryEffect][]];

/** One row an event; its columns are the states `waiting`, `sending`, `sendingAgain`, `parked`. */
const table: Row[] = [
  [{ kind: 'go' }, [sending, send], [sending, nothing], [sendingAgain, nothing], [parked, nothing]],
  [{ kind: 'not-held', nowMs: 9 }, [parkedNow, nothing], [parkedNow, nothing], [parkedNow, nothing], [parked, nothing]],
  [{ kind: 'session-lost' }, [waiting, nothing], [waiting, nothing], [waiting, nothing], [parked, nothing]],
  [{ kind: 'acked' }, [waiting, remove], [sending, remove], [sendingAgain, remove], [parked, remove]],
  [{ kind: 'refused', nowMs: 9 }, [parkedNow, nothing], [parkedNow, nothing], [sending, send], [parkedNow, nothing]],
  [
    { kind: 'broke', nowMs: 9, why: 'HTTP 500' },
    [parkedNow, failJob],
    [parkedNow, failJob],
    [parkedNow, failJob],
    [parkedNow, failJob],
  ],
  [{ kind: 'offered-again' }, [waiting, nothing], [sendingAgain, nothing], [sendingAgain, nothing], [waiting, nothing]],
  [{ kind: 'unwanted' }, [waiting, remove], [sending, remove], [sendingAgain, remove], [parked, remove]],
];
const columns: [string, DeliveryState][] = [
  ['waiting', waiting],
  ['sending', sending],
  ['sending, offered again,', sendingAgain],
  ['parked', parked],
];

for (const [event, ...steps] of table) {
  for (const [index, [name, state]] of columns.entries()) {
    const [expected, effect] = steps[index] as [DeliveryState, DeliveryEffect];
    test(`${name} with ${event.kind} becomes ${expected.kind} and does ${effect.do}`, () => {
      assert.deepEqual(deliveryStep(state, event), { state: expected, effect });
    });
  }
}

const at = (jobId: string, sinceMs: number) => ({ jobId, state: { kind: 'parked', sinceMs } as DeliveryState });

test('a parked result goes when it has waited for more than a day', () => {
  const items = [at('fresh', 1000), at('old', 999), { jobId: 'w', state: waiting }, { jobId: 's', state: sending }];
  assert.deepEqual(
    expiredParked(items, 1000 + PARKED_MS_MAX).map((item) => item.jobId),
    ['old'],
  );
  assert.deepEqual(expiredParked(items, 1000), []);
});

test('of too many parked results the longest parked go first; others are not counted', () => {
  const items = [
    ...Array.from({ length: PARKED_MAX + 2 }, (_, index) => at(`p${index}`, 10_000 - index)),
    ...Array.from({ length: 50 }, (_, index) => ({ jobId: `w${index}`, state: waiting })),
  ];
  assert.deepEqual(
    expiredParked(items, 10_000).map((item) => item.jobId),
    [`p${PARKED_MAX + 1}`, `p${PARKED_MAX}`],
  );
});
