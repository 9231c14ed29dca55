// How a worker is let in.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pollRegistration, registerRequest } from './fake-worker.ts';
import { openTestStudio, type TestStudio } from './test-studio.ts';

let t: TestStudio;
before(async () => {
  t = await openTestStudio();
});
after(() => t[Symbol.asyncDispose]());

async function ask(over: Parameters<typeof registerRequest>[1] = {}) {
  const { response, secret } = await registerRequest(t.url, over);
  assert.equal(response.status, 201);
  const { requestId, status } = (await response.json()) as { requestId: string; status: string };
  assert.equal(status, 'pending');
  return { requestId, secret };
}

test('a request waits, is approved, and every poll from then on brings a fresh token', async () => {
  await using events = await t.operator.events();
  const { requestId, secret } = await ask({ ip: '10.1.0.1', label: 'attic' });
  const told = await events.until((event) => event.type === 'registration');
  assert.ok(told.type === 'registration');
  assert.deepEqual(
    { ...told.data, at: 0 },
    { requestId, status: 'pending', machineName: 'rig', label: 'attic', at: 0 },
  );
  assert.deepEqual(await (await pollRegistration(t.url, requestId, secret)).json(), { status: 'pending' });
  const pending = await t.operator.registrations('pending');
  assert.ok(pending.some((one) => one.id === requestId && one.label === 'attic' && one.ip === '10.1.0.1'));

  const { workerId } = await t.operator.approve(requestId);
  const polls = [1, 2].map(async () => (await pollRegistration(t.url, requestId, secret)).json());
  const [first, second] = (await Promise.all(polls)) as { status: string; workerId: string; authToken: string }[];
  assert.equal(first?.status, 'approved');
  assert.equal(first?.workerId, workerId);
  assert.notEqual(first?.authToken, second?.authToken);
  await assert.rejects(t.operator.approve(requestId), { code: 'conflict' });
  assert.ok((await t.operator.workers()).some((worker) => worker.id === workerId && worker.label === 'attic'));
});

test('a rejection tells its reason', async () => {
  const { requestId, secret } = await ask({ ip: '10.1.0.2' });
  await t.operator.reject(requestId, 'not ours');
  assert.deepEqual(await (await pollRegistration(t.url, requestId, secret)).json(), {
    status: 'rejected',
    reason: 'not ours',
  });
});

test('a poll needs the right secret and a request that exists', async () => {
  const { requestId } = await ask({ ip: '10.1.0.3' });
  assert.equal((await pollRegistration(t.url, requestId, 'wrong')).status, 401);
  assert.equal((await pollRegistration(t.url, 'rr-unknown', 'wrong')).status, 404);
});

test('a deleted worker’s request is gone', async () => {
  const { requestId, secret } = await ask({ ip: '10.1.0.4' });
  const { workerId } = await t.operator.approve(requestId);
  await t.operator.deleteWorker(workerId);
  assert.equal((await pollRegistration(t.url, requestId, secret)).status, 404);
});

test('the same install asking again from the same address is the same request', async () => {
  const installId = randomUUID();
  const first = await ask({ installId, ip: '10.1.0.5' });
  const second = await ask({ installId, ip: '10.1.0.5', secret: first.secret });
  const elsewhere = await ask({ installId, ip: '10.1.0.6' });
  assert.equal(second.requestId, first.requestId);
  assert.notEqual(elsewhere.requestId, first.requestId);
});

test('an address may ask ten times a minute', async () => {
  const statuses: number[] = [];
  for (let count = 0; count < 12; count++) {
    statuses.push((await registerRequest(t.url, { ip: '10.1.0.7' })).response.status);
  }
  assert.deepEqual(statuses, [...Array(10).fill(201), 429, 429]);
  assert.equal((await registerRequest(t.url, { ip: '10.1.0.8' })).response.status, 201);
});
