// The operator's side: who may use it, what it refuses, and what it shows.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { API_PREFIX } from '../../src/protocol/index.ts';
import { openOperator } from '../../src/studio/operator-client.ts';
import { ADMIN_TOKEN, llmJob, openTestStudio, type TestStudio } from './test-studio.ts';

let t: TestStudio;
before(async () => {
  t = await openTestStudio();
});
after(() => t[Symbol.asyncDispose]());

const post = (path: string, body: string, token = ADMIN_TOKEN) =>
  fetch(`${t.url}${API_PREFIX}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
  });

test('only the operator gets through', async () => {
  for (const path of ['/jobs', '/workers', '/models', '/events', '/workers/register-requests', '/no/such/path']) {
    const response = await fetch(`${t.url}${API_PREFIX}${path}`, { headers: { authorization: 'Bearer wrong' } });
    assert.equal(response.status, 401, path);
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'unauthorized');
  }
  assert.equal((await post('/jobs', '{}', 'wrong')).status, 401);
  await using stranger = openOperator({ url: t.url, adminToken: 'wrong' });
  await assert.rejects(stranger.jobs(), { code: 'unauthorized', status: 401 });
});

test('bad input is refused with what is wrong about it', async () => {
  const message = async (body: unknown) => {
    const response = await post('/jobs', typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(response.status, 400);
    return ((await response.json()) as { error: { message: string } }).error.message;
  };
  assert.match(await message('{'), /not JSON/);
  assert.match(await message({ kind: 'opera', model: 'm', params: {} }), /kind/);
  assert.match(await message({ kind: 'image', model: 'synthetic-image', params: {} }), /prompt/);
  assert.match(await message({ kind: 'image', model: 'no-such', params: { prompt: 'x' } }), /no-such/);
  assert.match(await message({ kind: 'image', model: 'synthetic-llm', params: { prompt: 'x' } }), /llm/);
  assert.equal((await post('/models', ' '.repeat(1024 * 1024 + 1))).status, 413);
  await assert.rejects(t.operator.job('job-unknown'), { code: 'not_found', status: 404 });
  await assert.rejects(t.operator.cancelJob('job-unknown'), { code: 'not_found' });
  await assert.rejects(t.operator.retryJob('job-unknown'), { code: 'not_found' });
  await assert.rejects(t.operator.logs('w-unknown'), { code: 'not_found' });
  await assert.rejects(t.operator.deleteWorker('w-unknown'), { code: 'not_found' });
});

test('jobs are listed newest first, filtered and page by page', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 5; count++) ids.push((await t.operator.createJob(llmJob({ vramGbEstimate: 9_000 }))).id);
  await t.operator.cancelJob(ids[0] ?? '');
  const first = await t.operator.jobs({ status: 'queued', kind: 'llm', limit: 3 });
  assert.deepEqual(
    first.jobs.map((job) => job.id),
    [ids[4], ids[3], ids[2]],
  );
  const second = await t.operator.jobs({ status: 'queued', limit: 3, before: first.nextBefore ?? '' });
  assert.deepEqual(
    second.jobs.map((job) => job.id),
    [ids[1]],
  );
  assert.equal(second.nextBefore, undefined);
  await assert.rejects(t.operator.output(ids[1] ?? ''), { code: 'not_found' });
});

test('the catalogue starts with five synthetic models and can be changed', async () => {
  const models = await t.operator.models();
  assert.deepEqual(
    models.map((model) => model.id),
    ['synthetic-image', 'synthetic-llm', 'synthetic-stt', 'synthetic-tts', 'synthetic-video'],
  );
  const [synthetic] = models;
  assert.ok(synthetic);
  assert.deepEqual(synthetic.source, {
    engine: 'synthetic',
    files: [],
    cliDefaults: { cfgScale: 1, steps: 8, width: 512, height: 512 },
  });
  const entry = { ...synthetic, id: 'mine', displayName: 'Mine', vramGbEstimate: 3 };
  await t.operator.addModel(entry);
  await assert.rejects(t.operator.addModel(entry), { code: 'conflict' });
  assert.deepEqual(await t.operator.model('mine'), entry);
  const job = await t.operator.createJob({ kind: 'image', model: 'mine', params: { prompt: 'x' } });
  assert.equal(job.vramGbEstimate, 3);
  const { id: _, ...change } = entry;
  assert.equal((await t.operator.changeModel('mine', { ...change, vramGbEstimate: 4 })).vramGbEstimate, 4);
  await t.operator.removeModel('mine');
  await assert.rejects(t.operator.model('mine'), { code: 'not_found' });
  await assert.rejects(t.operator.createJob({ kind: 'image', model: 'mine', params: { prompt: 'x' } }), /mine/);
});

test('a job may bring its own model', async () => {
  const source = { engine: 'sd-cpp', files: [], cliDefaults: { cfgScale: 1, steps: 8, width: 512, height: 512 } };
  const job = await t.operator.createJob({
    kind: 'image',
    model: 'x.gguf',
    modelSource: source,
    params: { prompt: 'x' },
  });
  assert.equal(job.model, 'x.gguf');
  assert.equal(job.vramGbEstimate, 0);
});

test('the event stream tells every step of a job, and ends when it is closed', async () => {
  const events = await t.operator.events();
  const { id } = await t.operator.createJob(llmJob({ vramGbEstimate: 9_000 }));
  const queued = await events.until((event) => event.type === 'job' && event.data.jobId === id);
  assert.ok(queued.type === 'job' && queued.data.status === 'queued');
  await t.operator.cancelJob(id);
  const ended = await events.until((event) => event.type === 'job' && event.data.jobId === id);
  assert.ok(ended.type === 'job' && ended.data.status === 'cancelled');
  await events[Symbol.asyncDispose]();
  for await (const event of events) assert.fail(`an event after the end: ${event.type}`);
});

test('waiting for a job stops when the signal says so', async () => {
  const { id } = await t.operator.createJob(llmJob({ vramGbEstimate: 9_000 }));
  const controller = new AbortController();
  const waiting = t.operator.waitForJob(id, { signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});

test('the OpenAPI document is open to all and covers the routes', async () => {
  const response = await fetch(`${t.url}${API_PREFIX}/openapi.json`);
  assert.equal(response.status, 200);
  const document = (await response.json()) as {
    openapi: string;
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: object }> } }>>;
  };
  assert.equal(document.openapi, '3.1.0');
  const body = document.paths[`${API_PREFIX}/jobs`]?.post?.requestBody?.content['application/json']?.schema;
  assert.ok(body && 'properties' in body);
  assert.deepEqual(Object.keys(body.properties as object).slice(0, 3), ['kind', 'params', 'model']);
  assert.ok(document.paths[`${API_PREFIX}/workers/{id}/connect`]);
  assert.deepEqual(await t.operator.health(), { ok: true, workers: 0 });
});
