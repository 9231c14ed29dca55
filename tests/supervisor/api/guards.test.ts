// Who gets through to the routes of the local API, and who does not: by name, by origin, by token, by target.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refusalOf } from '../../../src/supervisor/api/guards.ts';
import { type ApiRig, openApiRig } from './api-rig.ts';
import { ask, askRaw } from './ask.ts';

const TOKEN = 'a'.repeat(64);

test('the guards look at host, origin and token, in this order', () => {
  const rows: [Record<string, string>, number | undefined][] = [
    [{}, undefined],
    [{ host: 'localhost' }, undefined],
    [{ host: 'LocalHost:4787' }, undefined],
    [{ host: '127.0.0.1:80' }, undefined],
    [{ host: '[::1]:1' }, undefined],
    [{ host: 'evil.example' }, 403],
    [{ host: 'evil.example:4787' }, 403],
    [{ host: 'localhost.evil.example' }, 403],
    [{ host: 'localhost.' }, 403],
    [{ host: '127.0.0.1.nip.io' }, 403],
    [{ host: '127.0.0.1:' }, 403],
    [{ host: 'user@localhost' }, 403],
    [{ host: '192.168.1.2' }, 403],
    [{ host: '0.0.0.0' }, 403],
    [{ host: '' }, 403],
    [{ origin: 'http://localhost:3000' }, undefined],
    [{ origin: 'https://127.0.0.1' }, undefined],
    [{ origin: 'http://[::1]:8080' }, undefined],
    [{ origin: 'null' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'http://localhost.evil.example' }, 403],
    [{ origin: 'http://localhost:3000.evil.example' }, 403],
    [{ origin: 'file://' }, 403],
    [{ origin: 'chrome-extension://localhost' }, 403],
    [{ origin: '' }, 403],
    [{ authorization: `bearer ${TOKEN}` }, undefined],
    [{ authorization: `BEARER ${TOKEN}` }, 401],
    [{ authorization: `Bearer  ${TOKEN}` }, 401],
    [{ authorization: `Bearer ${TOKEN} ` }, 401],
    [{ authorization: `Bearer ${TOKEN.slice(1)}` }, 401],
    [{ authorization: `Bearer ${TOKEN}a` }, 401],
    [{ authorization: `Basic ${TOKEN}` }, 401],
    [{ authorization: TOKEN }, 401],
    [{ authorization: 'Bearer ' }, 401],
    [{ authorization: '' }, 401],
    // The first guard that refuses is the one that answers.
    [{ host: 'evil.example', authorization: 'Bearer no' }, 403],
  ];
  for (const [headers, status] of rows) {
    const given = { authorization: `Bearer ${TOKEN}`, ...headers };
    assert.equal(refusalOf(given, TOKEN, true)?.status, status, JSON.stringify(headers));
  }
  assert.equal(refusalOf({}, TOKEN, true)?.status, 401);
  assert.equal(refusalOf({}, TOKEN, false), undefined);
  assert.equal(refusalOf({ host: 'evil.example' }, TOKEN, false)?.status, 403);
});

let rig: ApiRig;
before(async () => {
  rig = await openApiRig();
});
after(async () => rig?.[Symbol.asyncDispose]());

const bearer = () => ({ authorization: `Bearer ${rig.api.token}` });

test('a name that was made to resolve to this machine is refused, with the right token too', async () => {
  const answer = await ask(rig.api.url, '/models', { headers: { ...bearer(), host: 'rebound.example:4787' } });
  assert.deepEqual([answer.status, answer.headers['content-type']], [403, 'text/plain; charset=utf-8']);
  assert.match(answer.text, /^forbidden host/);
});

test('a page of another site is refused, and so is one without an origin of its own', async () => {
  for (const origin of ['https://evil.example', 'null']) {
    const answer = await ask(rig.api.url, '/models', { headers: { ...bearer(), origin } });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /^forbidden origin/);
  }
});

test('a preflight of a browser gets no leave to send more', async () => {
  const headers = { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' };
  const answer = await ask(rig.api.url, '/image', { method: 'OPTIONS', headers });
  assert.equal(answer.status, 401);
  assert.deepEqual(
    Object.keys(answer.headers).filter((name) => name.startsWith('access-control')),
    [],
  );
});

test('no token, and a wrong one, are refused', async () => {
  for (const headers of [undefined, { authorization: `Bearer ${'0'.repeat(64)}` }]) {
    const answer = await ask(rig.api.url, '/models', { ...(headers && { headers }) });
    assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Bearer']);
    assert.doesNotMatch(answer.text, new RegExp(rig.api.token));
  }
  const answer = await ask(rig.api.url, `/models?token=${rig.api.token}`);
  assert.equal(answer.status, 401, 'a token in an address ends up in logs and histories');
});

test('a client that is refused hears why, though it is still sending', async () => {
  const answer = await ask(rig.api.url, '/image', { method: 'POST', body: Buffer.alloc(8 * 1024 * 1024) });
  assert.equal(answer.status, 401);
});

test('healthz answers everybody, and nothing else does', async () => {
  const answer = await ask(rig.api.url, '/healthz?x=1', { headers: { host: 'anything', origin: 'null' } });
  assert.equal(answer.status, 200);
  assert.partialDeepStrictEqual(JSON.parse(answer.text), {
    ...{ ok: true, version: '1.2.3', busy: false, engine: 'multi', modelsRoot: rig.config.current.modelsRoot },
    gpuRuntime: null,
  });
  for (const path of [
    '/healthz/',
    '/healthz/..',
    '//healthz',
    '/HEALTHZ',
    '/healthz%00',
    '/x/../healthz',
    '/healthz;/models',
  ]) {
    assert.equal((await ask(rig.api.url, path)).status, 401, path);
  }
  assert.equal((await ask(rig.api.url, '/healthz', { method: 'POST' })).status, 401);
});

test('a path that is none of ours is not found, in the words of its neighbours', async () => {
  const headers = bearer();
  const plain = await ask(rig.api.url, '/nothing', { headers });
  assert.deepEqual([plain.status, plain.text], [404, 'not found']);
  const daemon = await ask(rig.api.url, '/daemon/nothing', { headers });
  assert.deepEqual([daemon.status, JSON.parse(daemon.text)], [404, { error: 'not_found' }]);
});

test('a target that is no path is a bad request', async () => {
  for (const target of ['http://evil.example/healthz', '*', 'healthz']) {
    const heard = await askRaw(
      rig.api.url,
      `OPTIONS ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.match(heard, /^HTTP\/1\.1 400 /, target);
  }
});

test('a request without a Host header passes the first guard', async () => {
  const heard = await askRaw(rig.api.url, `GET /nothing HTTP/1.0\r\nAuthorization: Bearer ${rig.api.token}\r\n\r\n`);
  assert.match(heard, /^HTTP\/1\.1 404 /);
});

test('headers and bodies that never end are cut off', async () => {
  await using slow = await openApiRig({ times: { headersMs: 300, requestMs: 600, checkMs: 50 } });
  const { url, token } = slow.api;
  const [headers, body] = await Promise.all([
    askRaw(url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: '),
    askRaw(
      url,
      `POST /tts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\n{"text"`,
    ),
  ]);
  assert.match(headers, /^HTTP\/1\.1 408 /);
  // The route that waits for the rest may have answered first.
  assert.match(body, /^HTTP\/1\.1 4\d\d /);
});
