// Sessions: who gets in, what breaks them, and how a job goes through one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { API_PREFIX, FRAME_BYTES_MAX, SUBPROTOCOL } from '../../src/protocol/index.ts';
import { capabilities, enrol, MODERN, openSocket, openWorker, upload } from './fake-worker.ts';
import { imageJob, llmJob, openTestStudio, type TestStudio } from './test-studio.ts';

let t: TestStudio;
before(async () => {
  t = await openTestStudio();
});
after(() => t[Symbol.asyncDispose]());

describe('the upgrade', () => {
  const refusal = (path: string, token: string, protocols: string[] = [SUBPROTOCOL]) =>
    new Promise<number | undefined>((resolve) => {
      const socket = new WebSocket(`${t.url.replace('http', 'ws')}${API_PREFIX}${path}`, protocols, {
        headers: { authorization: `Bearer ${token}` },
      });
      socket.on('unexpected-response', (request, response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      socket.on('error', () => {});
      socket.on('open', () => resolve(101));
    });

  test('refuses a wrong token and an unknown worker with 401', async () => {
    const { workerId, authToken } = await enrol(t.url, t.operator);
    assert.equal(await refusal(`/workers/${workerId}/connect`, 'wrong'), 401);
    assert.equal(await refusal('/workers/w-nobody/connect', authToken), 401);
  });

  test('needs the sub-protocol, and echoes it', async () => {
    const identity = await enrol(t.url, t.operator);
    assert.equal(await refusal(`/workers/${identity.workerId}/connect`, identity.authToken, []), 400);
    await using worker = await openSocket(t.url, identity);
    assert.equal(worker.socket.protocol, SUBPROTOCOL);
  });
});

describe('hello', () => {
  test('is answered with a welcome that names the negotiated features', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openSocket(t.url, identity);
    worker.send({
      type: 'hello',
      authToken: identity.authToken,
      capabilities: capabilities({ features: ['cancel', 'resume', 'telepathy'] }),
    });
    const welcome = await worker.next('welcome');
    assert.equal(welcome.workerId, identity.workerId);
    assert.deepEqual(welcome.features, ['cancel', 'resume']);
    assert.deepEqual(welcome.resumed, []);
    assert.ok(Date.parse(welcome.serverTime) > 0);
  });

  test('with a wrong token is auth_failed and 4001', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openSocket(t.url, identity);
    worker.send({ type: 'hello', authToken: 'wrong', capabilities: capabilities() });
    assert.equal((await worker.next('error')).code, 'auth_failed');
    assert.equal((await worker.closed).code, 4001);
  });

  test('must come first', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openSocket(t.url, identity);
    worker.send({ type: 'heartbeat', capabilities: capabilities() });
    assert.equal((await worker.next('error')).code, 'protocol_violation');
    assert.equal((await worker.closed).code, 4002);
  });

  test('of a newer socket replaces the older one and keeps its jobs', async () => {
    const identity = await enrol(t.url, t.operator);
    await using older = await openWorker(t.url, identity, { capabilities: { ...MODERN, vramThresholdGb: 101 } });
    const job = await t.operator.createJob(llmJob({ vramGbEstimate: 101 }));
    assert.equal((await older.offer()).jobId, job.id);
    older.send({ type: 'accept', jobId: job.id });
    await using newer = await openSocket(t.url, identity);
    newer.send({
      type: 'hello',
      authToken: identity.authToken,
      capabilities: capabilities({ ...MODERN, vramThresholdGb: 101 }),
      inFlight: [job.id],
    });
    assert.equal((await older.next('error')).code, 'duplicate_worker');
    assert.equal((await older.closed).code, 4003);
    assert.deepEqual((await newer.next('welcome')).resumed, [job.id]);
    newer.send({ type: 'completeJson', jobId: job.id, result: { ok: true } });
    await newer.next('completeAck');
    assert.equal((await t.operator.job(job.id)).attempts, 0);
  });
});

describe('a session', () => {
  test('survives a frame type of the future and ends with a malformed frame', async () => {
    await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
    worker.send({ type: 'telepathy', thought: 1 });
    await worker.heartbeat();
    worker.send('{"type":"accept"}');
    assert.match((await worker.next('error')).message, /jobId/);
    assert.equal((await worker.closed).code, 4002);
  });

  test('ends with capabilities that no row could hold, in hello and later', async () => {
    const huge = capabilities({ username: 'u'.repeat(600_000) });
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity);
    worker.send({ type: 'heartbeat', capabilities: huge });
    assert.match((await worker.next('error')).message, /capabilities of more than 500000 characters/);
    assert.equal((await worker.closed).code, 4002);
    await using again = await openSocket(t.url, identity);
    again.send({ type: 'hello', authToken: identity.authToken, capabilities: huge });
    assert.match((await again.next('error')).message, /capabilities of more than 500000 characters/);
  });

  test('ends with a binary frame', async () => {
    await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
    worker.send(Buffer.from('{}'));
    assert.equal((await worker.next('error')).code, 'protocol_violation');
    assert.equal((await worker.closed).code, 4002);
  });

  test('ends with a frame above the limit', async () => {
    await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
    await using events = await t.operator.events();
    worker.send(`{"type":"telepathy","thought":"${'x'.repeat(FRAME_BYTES_MAX)}"}`);
    // The platform itself refuses it, with 1009, and then takes its time to end the connection.
    const gone = await events.until((event) => event.type === 'worker' && event.data.change === 'offline');
    assert.ok(gone.type === 'worker' && gone.data.workerId === worker.workerId);
  });

  test('ends when the worker answers for a job that it never held', async () => {
    const { operator, url } = t;
    for (const frame of [
      { type: 'accept', jobId: 'job-unknown' },
      { type: 'fail', jobId: 'job-unknown', error: 'x', retryable: true },
      { type: 'completeJson', jobId: 'job-unknown', result: {} },
    ]) {
      await using worker = await openWorker(url, await enrol(url, operator));
      worker.send(frame);
      assert.equal((await worker.next('error')).code, 'protocol_violation', frame.type);
      assert.equal((await worker.closed).code, 4002);
    }
  });

  test('ends with worker_deleted when the operator removes the worker, whose token is then void', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity);
    await t.operator.deleteWorker(identity.workerId);
    assert.equal((await worker.next('error')).code, 'worker_deleted');
    assert.equal((await worker.closed).code, 4004);
    await assert.rejects(openSocket(t.url, identity));
  });

  test('ships log lines', async () => {
    await using worker = await openWorker(t.url, await enrol(t.url, t.operator));
    await using events = await t.operator.events();
    const entries = [
      { ts: '2026-10-07T10:00:00.123Z', level: 'info', category: 'ws', message: 'hello', jobId: 'job-1' },
    ];
    worker.send({ type: 'logBatch', entries });
    await events.until((event) => event.type === 'log' && event.data.workerId === worker.workerId);
    const [line] = await t.operator.logs(worker.workerId);
    assert.deepEqual({ ...line, seq: 0 }, { ...entries[0], seq: 0 });
  });
});

describe('a job', () => {
  test('of a JSON kind goes from offer to result', async () => {
    await using worker = await openWorker(t.url, await enrol(t.url, t.operator), {
      capabilities: { vramThresholdGb: 50 },
    });
    await using events = await t.operator.events();
    const job = await t.operator.createJob(llmJob({ vramGbEstimate: 50, gameId: 'g', assetName: 'g/a' }));
    assert.equal(job.status, 'queued');
    const claim = await worker.offer();
    assert.equal(claim.jobId, job.id);
    assert.equal(claim.gameId, 'g');
    assert.equal(claim.task.kind, 'llm');
    assert.equal(claim.modelSource.engine, 'synthetic');
    worker.send({ type: 'accept', jobId: job.id });
    await events.until((event) => event.type === 'job' && event.data.acceptedAt !== undefined);
    worker.send({ type: 'progress', jobId: job.id, ratio: 0.5, step: 4, steps: 8 });
    await events.until((event) => event.type === 'job' && event.data.progress?.ratio === 0.5);
    assert.deepEqual((await t.operator.job(job.id)).progress, { ratio: 0.5, step: 4, steps: 8 });
    worker.send({ type: 'completeJson', jobId: job.id, result: { text: 'hi' }, prompt: 'hi' });
    assert.equal((await worker.next('completeAck')).jobId, job.id);
    const done = await t.operator.waitForJob(job.id);
    assert.equal(done.status, 'done');
    assert.deepEqual(done.result, { text: 'hi' });
    assert.equal(done.prompt, 'hi');
    assert.equal(done.workerId, worker.workerId);
    const times = [done.createdAt, done.offeredAt, done.acceptedAt, done.finishedAt].map((time) => time ?? 0);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    const output = await t.operator.output(job.id);
    assert.equal(output.contentType, 'application/json');
    assert.deepEqual(JSON.parse(Buffer.from(output.bytes).toString()), { text: 'hi' });
  });

  test('with bytes is uploaded, acknowledged on the socket and kept', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity, { capabilities: { vramThresholdGb: 51 } });
    const job = await t.operator.createJob(imageJob({ vramGbEstimate: 51 }));
    await worker.offer();
    worker.send({ type: 'accept', jobId: job.id });
    const bytes = new Uint8Array(300_000).map((_, at) => at % 251);
    assert.equal((await upload(t.url, identity, job.id, { bytes })).status, 200);
    assert.equal((await worker.next('completeAck')).jobId, job.id);
    const done = await t.operator.waitForJob(job.id);
    assert.deepEqual(done.output, { ext: 'webp', bytes: 300_000, contentType: 'image/webp' });
    const output = await t.operator.output(job.id);
    assert.equal(output.contentType, 'image/webp');
    assert.deepEqual(output.bytes, bytes);
    assert.equal((await upload(t.url, identity, job.id)).status, 409);
  });

  test('cannot be uploaded by another worker, without a token, or with parts missing', async () => {
    const [identity, stranger] = [await enrol(t.url, t.operator), await enrol(t.url, t.operator)];
    await using worker = await openWorker(t.url, identity, { capabilities: { vramThresholdGb: 52 } });
    const job = await t.operator.createJob(imageJob({ vramGbEstimate: 52 }));
    await worker.offer();
    assert.equal((await upload(t.url, stranger, job.id)).status, 409);
    assert.equal((await upload(t.url, { ...identity, authToken: 'wrong' }, job.id)).status, 401);
    assert.equal((await upload(t.url, identity, job.id, { ext: '../x' })).status, 400);
    assert.equal((await upload(t.url, identity, job.id)).status, 200);
  });

  test('may carry megabytes in and out', async () => {
    const identity = await enrol(t.url, t.operator);
    await using worker = await openWorker(t.url, identity, { capabilities: { vramThresholdGb: 53 } });
    const inputUrl = `data:audio/wav;base64,${'A'.repeat(6_000_000)}`;
    const job = await t.operator.createJob({
      kind: 'audio_stt',
      model: 'synthetic-stt',
      params: { inputUrl },
      vramGbEstimate: 53,
    });
    const claim = await worker.offer();
    assert.ok(claim.task.kind === 'audio_stt' && claim.task.inputUrl === inputUrl);
    const text = 'b'.repeat(3_000_000);
    worker.send({ type: 'completeJson', jobId: job.id, result: { text } });
    await worker.next('completeAck');
    assert.deepEqual((await t.operator.job(job.id)).result, { text });
  });
});
