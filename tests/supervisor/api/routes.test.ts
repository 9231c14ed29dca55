// The upstream routes, over a real worker: their statuses, texts and bodies.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { JSON_BYTES_MAX as MIB } from '../../../src/supervisor/api/request-body.ts';
import { askRaw } from './ask.ts';
import { type ApiWorker, SYNTHETIC, startApiWorker, tinyModels } from './worker-rig.ts';

let api: ApiWorker;
before(async () => {
  api = await startApiWorker([
    ...SYNTHETIC,
    tinyModels.scripted(),
    { id: 'asleep', kind: 'image', engine: 'synthetic', enabled: false },
    { id: 'synthetic', kind: 'video', engine: 'no-such-engine' },
  ]);
});
after(async () => api?.[Symbol.asyncDispose]());

const jsonOf = async (path: string) => JSON.parse((await api.ask(path)).text);
/** Asked again as soon as it is answered; the runner's own limit ends what never comes. */
async function untilState(id: string, state: string): Promise<void> {
  while ((await jsonOf(`/models/${id}/state`)).state !== state);
}

const PIXEL = 'data:image/png;base64,iVBORw0KGgo=';

test('an image is answered with its bytes, in the size and format of request or model', async () => {
  const png = await api.post('/image', { prompt: 'a fox', width: 40, height: 24, ext: 'png' });
  assert.deepEqual([png.status, png.headers['content-type']], [200, 'image/png']);
  assert.match(String(png.headers['x-job-id']), /^local-\d+-\d+$/);
  const answer = await fetch(`${api.url}/image`, {
    ...{ method: 'POST', body: JSON.stringify({ prompt: 'a fox' }), headers: { authorization: `Bearer ${api.token}` } },
  });
  assert.equal(answer.headers.get('content-type'), 'image/webp');
  const { width, height } = await sharp(await answer.arrayBuffer()).metadata();
  assert.deepEqual([width, height], [64, 64], "the model's own size");
  const jpg = await api.post('/image', { prompt: 'a fox', ext: 'JPG' });
  assert.deepEqual([jpg.status, jpg.headers['content-type']], [400, 'text/plain; charset=utf-8']);
});

test('pictures that come with a request come inside it', async () => {
  for (const name of ['initImageUrl', 'refImageUrl', 'maskUrl']) {
    const answer = await api.post('/image', { prompt: 'a fox', [name]: 'https://example.com/a.png' });
    assert.equal(answer.status, 400);
    assert.equal(answer.text, `bad input: ${name} must be a data:image/...;base64, URL`);
  }
  assert.equal((await api.post('/image', { prompt: 'a fox', initImageUrl: PIXEL })).status, 200);
});

test('speech, transcripts and films', async () => {
  const tts = await api.post('/tts', { text: 'good morning' });
  assert.deepEqual([tts.status, tts.headers['content-type']], [200, 'audio/wav']);
  const stt = await api.post('/stt', { inputUrl: 'https://example.invalid/a.wav', language: 'nl' });
  assert.equal(stt.status, 200);
  assert.partialDeepStrictEqual(JSON.parse(stt.text), { language: 'nl', duration: 1 });
  const video = await api.post('/video', {
    prompt: 'waves',
    seconds: 0.5,
    width: 64,
    height: 48,
    model: 'synthetic-video',
  });
  assert.deepEqual([video.status, video.headers['content-type']], [200, 'image/webp']);
});

test('wrong requests are told what is wrong', async () => {
  const rows: [string, unknown, number, RegExp][] = [
    ['/image', {}, 400, /^bad json: prompt: /],
    ['/image', { prompt: 'x', width: -1 }, 400, /^bad json: width: /],
    ['/image', { prompt: 'x', width: 1e9 }, 400, /^bad json: width: /],
    ['/image', { prompt: 'x', seed: 'one' }, 400, /^bad json: seed: /],
    ['/image', [], 400, /^bad json: /],
    ['/image', { prompt: 'x', model: 'gone' }, 400, /gone/],
    ['/image', { prompt: 'x', model: 'synthetic-llm' }, 400, /synthetic-llm/],
    ['/image', { prompt: 'x', model: 'asleep' }, 400, /asleep/],
    ['/image', { prompt: 'x', model: '__proto__' }, 400, /__proto__/],
    ['/tts', { text: 5 }, 400, /^bad json: text: /],
    ['/stt', {}, 400, /^bad json: inputUrl: /],
    ['/video', { prompt: 'x', seconds: 0, model: 'synthetic-video' }, 400, /seconds/],
    ['/video', { prompt: 'x', model: 'synthetic' }, 500, /no-such-engine/],
  ];
  for (const [path, body, status, text] of rows) {
    const answer = await api.post(path, body);
    assert.deepEqual(
      [answer.status, answer.headers['content-type']],
      [status, 'text/plain; charset=utf-8'],
      `${path} ${JSON.stringify(body)}: ${answer.text}`,
    );
    assert.match(answer.text, text);
  }
  for (const body of ['{', '', 'null', '"x"', '{"prompt":', '\u0000', '['.repeat(100_000)]) {
    const answer = await api.ask('/image', { method: 'POST', body });
    assert.equal(answer.status, 400, body.slice(0, 20));
    assert.match(answer.text, /^bad json: /);
  }
});

test('a body that is too large is refused, announced or not', async () => {
  const text = `request body exceeds ${MIB} bytes`;
  const announced = await api.ask('/tts', { method: 'POST', body: Buffer.alloc(MIB + 1, ' ') });
  assert.deepEqual([announced.status, announced.text], [413, text]);
  const chunked = await api.ask('/tts', {
    ...{ method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: Buffer.alloc(2 * MIB, ' ') },
  });
  assert.deepEqual([chunked.status, chunked.text], [413, text]);
  const lying = await askRaw(
    api.url,
    `POST /image HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${api.token}\r\nContent-Length: 99999999999\r\n\r\n`,
  );
  assert.match(lying, /^HTTP\/1\.1 413 [\s\S]*request body exceeds 67108864 bytes$/);
  const pictures = await api.post('/image', { prompt: 'a fox', initImageUrl: PIXEL, padding: 'x'.repeat(2 * MIB) });
  assert.equal(pictures.status, 200, 'pictures may be larger');
});

test('a client that asks first does not send what nobody wants', async () => {
  const { hostname, port } = new URL(api.url);
  const expecting = (headers: Record<string, string | number>) =>
    request({
      hostname,
      port,
      path: '/tts',
      method: 'POST',
      agent: false,
      headers: { expect: '100-continue', ...headers },
    });
  const refused = expecting({ 'content-length': 10 });
  refused.flushHeaders();
  refused.on('continue', () => assert.fail('nobody wants this body'));
  assert.equal((await once(refused, 'response'))[0].statusCode, 401);
  refused.destroy();

  const body = '{"text":"hello"}';
  const wanted = expecting({ authorization: `Bearer ${api.token}`, 'content-length': body.length });
  wanted.flushHeaders();
  await once(wanted, 'continue');
  wanted.end(body);
  const [answer] = await once(wanted, 'response');
  assert.equal(answer.statusCode, 200);
  answer.resume();
});

test('a text is counted in tokens', async () => {
  const { status, text } = await api.post('/tokenize', { content: 'ab', model: 'scripted' });
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).tokens.length, 2);
  const rows: [unknown, number, string][] = [
    [{ content: 'x', model: 'gone' }, 404, 'unknown_model'],
    [{ content: 'x', model: 'synthetic-image' }, 400, 'bad_request'],
    [{ model: 'scripted' }, 400, 'bad_request'],
    ['{', 400, 'bad_request'],
  ];
  for (const [body, code, error] of rows) {
    const answer = await api.post('/tokenize', body);
    assert.deepEqual([answer.status, JSON.parse(answer.text).error], [code, error], JSON.stringify(body));
  }
});

test('a model is added, loaded, unloaded and removed', async () => {
  const { source } = (await jsonOf('/models')).find(({ id }: { id: string }) => id === 'synthetic-llm');
  const entry = { id: 'synthetic', displayName: 'Another', kind: 'image', source };
  assert.deepEqual((await api.post('/models', entry)).text, '{"ok":true}');
  assert.partialDeepStrictEqual(await jsonOf('/models/synthetic/state'), {
    id: 'synthetic',
    state: 'unloaded',
    resident: false,
  });

  const loading = await api.post('/models/synthetic/load', {});
  assert.ok([200, 202].includes(loading.status), loading.text);
  assert.equal(JSON.parse(loading.text).resident, true);
  await untilState('synthetic', 'loaded');
  const loaded = await api.post('/models/synthetic/load', {});
  assert.deepEqual([loaded.status, JSON.parse(loaded.text).state], [200, 'loaded']);

  const unloading = await api.post('/models/synthetic/unload', {});
  assert.ok([200, 202].includes(unloading.status), unloading.text);
  await untilState('synthetic', 'unloaded');
  assert.equal((await api.post('/models/synthetic/unload', {})).status, 200);

  const removed = await api.ask('/models/synthetic', { method: 'DELETE' });
  assert.deepEqual([removed.status, removed.text], [200, '{"ok":true}']);
  const gone = await api.ask('/models/synthetic', { method: 'DELETE' });
  assert.deepEqual([gone.status, gone.text], [404, 'no such model']);
});

test('models that are not, or may not, are refused', async () => {
  const refusal = async (path: string, method = 'POST') => {
    const { status, text } = await api.ask(path, { method });
    return [status, JSON.parse(text).error];
  };
  assert.deepEqual(await refusal('/models/gone/load'), [404, 'unknown_model']);
  assert.deepEqual(await refusal('/models/gone/unload'), [404, 'unknown_model']);
  assert.deepEqual(await refusal('/models/gone/state', 'GET'), [404, 'unknown_model']);
  assert.deepEqual(await refusal('/models/asleep/load'), [400, 'model_disabled']);
  const bad = await api.post('/models', { id: 'x' });
  assert.deepEqual([bad.status, bad.headers['content-type']], [400, 'text/plain; charset=utf-8']);
  assert.match(bad.text, /^bad model: /);
});

test('ids in paths are what they look like, whatever they look like', async () => {
  for (const id of [
    '..',
    '.',
    '%2e%2e',
    '..%2f..%2fetc',
    'scripted%00',
    'scripted%2f',
    '__proto__',
    'constructor',
    '%',
    '%zz',
    "'",
    'a'.repeat(5000),
  ]) {
    for (const path of [`/models/${id}/state`, `/jobs/${id}/log`, `/jobs/${id}/thumbnail`]) {
      const { status, text } = await api.ask(path);
      assert.equal(status, 404, path);
      assert.ok(['unknown_model', 'unknown_job', 'no_thumbnail'].includes(JSON.parse(text).error), `${path}: ${text}`);
    }
  }
  for (const path of [
    '/models/../healthz',
    '/models/a/b/state',
    '/models//state',
    '/models/scripted/state/',
    '//models',
    '/MODELS',
  ]) {
    const { status, text } = await api.ask(path);
    assert.deepEqual([status, text], [404, 'not found'], path);
  }
  assert.equal((await api.ask('/models\\scripted\\state')).status, 400);
});

test('what was done is listed, with log and picture', async () => {
  const prompt = 'a picture for the history';
  const made = await api.post('/image', { prompt, ext: 'png' });
  const jobId = String(made.headers['x-job-id']);
  const [newest] = await jsonOf('/jobs');
  assert.partialDeepStrictEqual(newest, {
    jobId,
    kind: 'image',
    model: 'synthetic-image',
    prompt,
    status: 'completed',
    reason: null,
  });
  assert.deepEqual(Object.keys(newest), [
    'jobId',
    'kind',
    'model',
    'prompt',
    'status',
    'reason',
    'startedAt',
    'finishedAt',
  ]);
  const log = await jsonOf(`/jobs/${jobId}/log`);
  assert.ok(Array.isArray(log.lines) && log.dropped === 0);
  await api.post('/video', { prompt: 'x', model: 'synthetic-video', seconds: -1 });
  const [failed] = await jsonOf('/jobs');
  assert.equal(failed.status, 'failed');
  assert.ok(failed.reason.length > 0);
});

test('ready is another thing than alive', async () => {
  const { status, text } = await api.ask('/readyz', { headers: { authorization: 'none' } });
  assert.equal(status, 503);
  assert.partialDeepStrictEqual(JSON.parse(text), { ready: false, registered: false });
});
