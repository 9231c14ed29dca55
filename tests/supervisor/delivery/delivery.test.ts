// Binary results on their way: refusals, failures, new claims, drops in the middle of an upload, and stopping.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import type { Feature } from '../../../src/protocol/index.ts';
import { type Delivery, openDelivery } from '../../../src/supervisor/delivery/delivery.ts';
import { PARKED_MAX, PARKED_MS_MAX } from '../../../src/supervisor/delivery/delivery-state.ts';
import { type Outbox, type OutboxEntry, openOutbox } from '../../../src/supervisor/delivery/outbox.ts';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { settlesWithin } from '../../../src/supervisor/pause.ts';
import { type ScriptedSession, scriptedSession } from '../jobs/scripted-session.ts';
import { type Answer, type ScriptedHttp, scriptedHttp } from '../scripted-http.ts';
import { tempDir } from '../temp-dir.ts';

type Scene = AsyncDisposable & {
  readonly http: ScriptedHttp;
  readonly outbox: Outbox;
  readonly dir: string;
  delivery: Delivery;
  readonly failed: string[];
  readonly delivered: string[];
  put(jobId: string, text?: string): Promise<OutboxEntry>;
  connect(wanted?: string[], features?: Feature[]): ScriptedSession;
  /** A delivery that finds what is in the outbox now. */
  begin(): void;
};

async function openScene(): Promise<Scene> {
  const temp = await tempDir();
  const logs = await openLogs({ dir: temp.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const http = await scriptedHttp();
  const dir = temp.file('outbox');
  const outbox = await openOutbox(dir, () => {});
  const failed: string[] = [];
  const delivered: string[] = [];
  const open = (): Delivery =>
    openDelivery({
      outbox,
      logs,
      delivered: (jobId) => void delivered.push(jobId),
      failJob: (jobId, why) => void failed.push(`${jobId}: ${why}`),
    });
  const scene: Scene = {
    http,
    outbox,
    dir,
    delivery: open(),
    failed,
    delivered,
    begin() {
      scene.delivery = open();
    },
    async put(jobId, text = 'bytes') {
      const writer = outbox.writer(jobId);
      await writer.write(Buffer.from(text));
      const meta = { jobId, digest: 'd', kind: 'image', model: 'm', prompt: 'p', finishedAtMs: 0 } as const;
      return writer.commit(meta, 'png');
    },
    connect(wanted, features = []) {
      const session = scriptedSession(features);
      const credentials = { apiBaseUrl: http.base, workerId: 'w', authToken: 't' };
      scene.delivery.sessionOpened(session, credentials, wanted === undefined ? undefined : new Set(wanted));
      return session;
    },
    async [Symbol.asyncDispose]() {
      scene.delivery.stop();
      await http[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
  return scene;
}

test('what is in the outbox at the start is uploaded in the first session, at most four at a time', async () => {
  await using scene = await openScene();
  const ids = Array.from({ length: 10 }, (_, index) => `job-${index}`);
  for (const id of ids) await scene.put(id);
  const gate = Promise.withResolvers<void>();
  const held: Answer = async (response) => {
    await gate.promise;
    response.end('{}');
  };
  scene.http.answer(held, held, held, held, ...ids.slice(4).map((): Answer => [200, {}]));
  scene.begin();
  scene.connect();
  await scene.http.arrived(4);
  const fifth = await settlesWithin(scene.http.arrived(5), 100);
  assert.equal(fifth, false);
  gate.resolve();
  await scene.delivery.settled();
  assert.equal(scene.http.asked.length, 10);
  assert.deepEqual(scene.delivered.sort(), ids);
  assert.deepEqual(scene.outbox.entries(), []);
});

test('a result whose claim is lost is kept, and uploaded again when the job is offered again', async () => {
  await using scene = await openScene();
  scene.http.answer([409, 'not yours'], [200, {}]);
  scene.connect();
  scene.delivery.add(await scene.put('job-1'), false);
  await scene.delivery.settled();
  assert.deepEqual([scene.delivery.pending(), scene.delivered, scene.failed], [['job-1'], [], []]);
  assert.equal(scene.delivery.answersOffer('job-1', 'other'), false);
  assert.equal(scene.delivery.answersOffer('job-1', 'd'), true);
  scene.delivery.deliverOffered('job-1');
  await scene.delivery.settled();
  assert.deepEqual([scene.delivery.pending(), scene.delivered], [[], ['job-1']]);
});

test('a job that is offered again while its upload is being refused is uploaded once more', async () => {
  await using scene = await openScene();
  scene.http.answer(
    (response) => {
      // The studio refuses under the old claim, after it has offered the job anew.
      scene.delivery.deliverOffered('job-1');
      response.writeHead(409).end();
    },
    [200, {}],
  );
  scene.connect();
  scene.delivery.add(await scene.put('job-1'), false);
  await scene.delivery.settled();
  assert.equal(scene.http.asked.length, 2);
  assert.deepEqual([scene.delivery.pending(), scene.delivered, scene.failed], [[], ['job-1'], []]);
});

test('a result that the studio does not take fails its job, and is kept for its next offer', async () => {
  await using scene = await openScene();
  scene.http.answer([413, 'too big']);
  scene.connect();
  scene.delivery.add(await scene.put('job-1'), true);
  await scene.delivery.settled();
  assert.deepEqual(scene.failed, ['job-1: complete failed: 413 — too big']);
  assert.deepEqual(scene.delivery.pending(), ['job-1']);
});

test('without a session an upload is tried once credentials are known, and waits for the next session when it fails', async () => {
  await using scene = await openScene();
  const entry = await scene.put('job-1');
  scene.delivery.add(entry, false);
  assert.equal(scene.http.asked.length, 0);
  scene.http.answer([200, {}], [400, 'no']);
  scene.connect();
  await scene.delivery.settled();
  scene.delivery.sessionLost();
  scene.delivery.add(await scene.put('job-2'), false);
  await scene.delivery.settled();
  assert.deepEqual([scene.delivered, scene.failed, scene.delivery.pending()], [['job-1'], [], ['job-2']]);
  scene.http.answer([200, {}]);
  scene.connect(['job-2']);
  await scene.delivery.settled();
  assert.deepEqual(scene.delivered, ['job-1', 'job-2']);
});

test('a result that is dropped while it is uploaded ends the upload and leaves nothing behind', async () => {
  await using scene = await openScene();
  const closed = Promise.withResolvers<void>();
  scene.http.answer(async (response) => {
    scene.delivery.drop('job-1');
    await once(response, 'close');
    closed.resolve();
  });
  scene.connect();
  scene.delivery.add(await scene.put('job-1', 'x'.repeat(1_000_000)), true);
  await closed.promise;
  await scene.delivery.settled();
  await scene.outbox.remove('job-1');
  assert.deepEqual([scene.delivered, scene.failed, await readdir(scene.dir)], [[], [], []]);
  scene.delivery.drop('never-was');
  scene.delivery.deliverOffered('never-was');
});

test('a result that is dropped in the queue is not uploaded, and its successor is', async () => {
  await using scene = await openScene();
  const gate = Promise.withResolvers<void>();
  const held: Answer = async (response) => {
    await gate.promise;
    response.end('{}');
  };
  scene.http.answer(held, held, held, held, [200, {}]);
  scene.connect();
  for (const id of ['a', 'b', 'c', 'd']) scene.delivery.add(await scene.put(id), true);
  await scene.http.arrived(4);
  scene.delivery.add(await scene.put('job-1', 'old'), true);
  scene.delivery.drop('job-1');
  scene.delivery.add(await scene.put('job-1', 'new'), true);
  gate.resolve();
  await scene.delivery.settled();
  assert.equal(scene.http.asked.length, 5);
  assert.match(String(scene.http.asked[4]?.body), /new/);
  assert.deepEqual(scene.delivered.sort(), ['a', 'b', 'c', 'd', 'job-1']);
});

test('stopping gives up uploads, and their results stay in the outbox', async () => {
  await using scene = await openScene();
  scene.http.answer(async (response) => {
    scene.delivery.stop();
    await once(response, 'close');
  });
  scene.connect();
  scene.delivery.add(await scene.put('job-1'), true);
  await scene.delivery.settled();
  assert.deepEqual([scene.delivered, scene.failed], [[], []]);
  assert.equal((await openOutbox(scene.dir, () => {})).entries().length, 1);
});

test('results that nobody asks for are dropped after a day, and the longest parked beyond 256', async (t) => {
  await using scene = await openScene();
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  const put = (jobId: string): Promise<OutboxEntry> =>
    scene.outbox.putJson({ jobId, digest: 'd', kind: 'llm', model: 'm', prompt: '', finishedAtMs: 0 }, 1);
  scene.connect();
  for (let index = 0; index < PARKED_MAX + 3; index += 1) {
    t.mock.timers.setTime(1_700_000_000_000 + index);
    scene.delivery.add(await put(`job-${index}`), false);
  }
  assert.equal(scene.delivery.pending().length, PARKED_MAX);
  assert.equal(scene.delivery.pending()[0], 'job-3');
  scene.delivery.sessionLost();
  t.mock.timers.setTime(1_700_000_000_000 + PARKED_MS_MAX + 10);
  scene.connect();
  assert.deepEqual(scene.delivery.pending()[0], 'job-10');
});

test('with resume a parked result waits on when the studio does not name it', async () => {
  await using scene = await openScene();
  scene.http.answer([409]);
  scene.connect();
  scene.delivery.add(await scene.put('job-1'), false);
  await scene.delivery.settled();
  scene.delivery.sessionLost();
  scene.connect([]);
  assert.deepEqual(scene.delivery.pending(), ['job-1']);
  scene.delivery.sessionLost();
  scene.http.answer([200, {}]);
  scene.connect(['job-1']);
  await scene.delivery.settled();
  assert.deepEqual(scene.delivery.pending(), []);
});
