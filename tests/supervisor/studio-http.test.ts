// One HTTP call to the studio: what is sent, what comes back, and how a refusal reads.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { callStudio, type StudioCall, StudioStatusError } from '../../src/supervisor/studio-http.ts';
import { type Answer, scriptedHttp } from './scripted-http.ts';

const { signal } = new AbortController();

async function call(answer: Answer, change: Partial<StudioCall> = {}): Promise<unknown> {
  await using studio = await scriptedHttp(answer);
  return await callStudio({
    operation: 'register-poll',
    url: new URL('/x', studio.base),
    method: 'GET',
    signal,
    ...change,
  });
}

test('a call sends method, path, token and JSON, and resolves with the answer', async () => {
  await using studio = await scriptedHttp([201, { requestId: 'rr-1' }]);
  const answer = await callStudio({
    operation: 'register-request',
    url: new URL('/graphics/api/workers/register-request', studio.base),
    method: 'POST',
    bearer: 'secret',
    json: { a: 'ü' },
    signal,
  });
  assert.deepEqual(answer, { requestId: 'rr-1' });
  const [asked] = studio.asked;
  assert.deepEqual([asked?.method, asked?.url], ['POST', '/graphics/api/workers/register-request']);
  assert.equal(asked?.headers.authorization, 'Bearer secret');
  assert.equal(asked?.headers['content-type'], 'application/json');
  assert.deepEqual(JSON.parse(String(asked?.body)), { a: 'ü' });
});

test('a call without token and body sends neither', async () => {
  await using studio = await scriptedHttp([200, {}]);
  await callStudio({ operation: 'x', url: new URL(studio.base), method: 'GET', signal });
  const [asked] = studio.asked;
  assert.equal(asked?.headers.authorization, undefined);
  assert.equal(asked?.headers['content-type'], undefined);
  assert.equal(asked?.body.length, 0);
});

for (const [what, answer] of [
  ['HTML', [200, '<html>']],
  ['nothing', [204]],
] as [string, Answer][]) {
  test(`a success with ${what} resolves with undefined`, async () => assert.equal(await call(answer), undefined));
}

const refusals: [number, unknown, string][] = [
  [429, { error: 'rate limited' }, 'register-poll failed: 429 — {"error":"rate limited"}'],
  [500, '  oops \n', 'register-poll failed: 500 — oops'],
  [404, '', 'register-poll failed: 404 — '],
  [302, 'moved', 'register-poll failed: 302 — moved'],
  [502, 'x'.repeat(301), `register-poll failed: 502 — ${'x'.repeat(300)}…`],
];
for (const [status, body, message] of refusals) {
  test(`a ${status} says operation, status and the beginning of the answer`, async () => {
    await assert.rejects(call([status, body]), (thrown) => {
      assert.ok(thrown instanceof StudioStatusError);
      assert.deepEqual([thrown.name, thrown.status, thrown.message], ['StudioStatusError', status, message]);
      return true;
    });
  });
}

test('a redirect is not followed, since the token would go with it', async () => {
  await using elsewhere = await scriptedHttp([200, {}]);
  await assert.rejects(
    call((response) => void response.writeHead(307, { location: elsewhere.base }).end(), { bearer: 't' }),
    { status: 307 },
  );
  assert.equal(elsewhere.asked.length, 0);
});

test('an answer without end is read up to its bound and then cut off', async () => {
  let sent = 0;
  const closed = Promise.withResolvers<void>();
  const endless: Answer = (response) => {
    response.on('close', () => closed.resolve());
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384))) sent += 16_384;
    };
    response.writeHead(500).on('drain', more);
    more();
  };
  await assert.rejects(call(endless), { status: 500 });
  await closed.promise;
  assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes were taken`);
});

test('a studio that hangs up rejects with the error of the transport', async () => {
  await assert.rejects(
    call((response) => void response.destroy()),
    (thrown) => !(thrown instanceof StudioStatusError),
  );
});

test('a studio that hangs up within its answer rejects as well', async () => {
  const half: Answer = (response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"half":', () => response.destroy());
  };
  await assert.rejects(call(half));
});

test('an aborted call rejects at once and drops the connection', async () => {
  const controller = new AbortController();
  await using studio = await scriptedHttp(async (response) => {
    controller.abort(new Error('the worker stops'));
    await once(response, 'close');
  });
  const url = new URL(studio.base);
  await assert.rejects(
    callStudio({ operation: 'x', url, method: 'GET', signal: controller.signal }),
    /the worker stops/,
  );
});

test('a call that is aborted before it begins reaches nobody', async () => {
  await using studio = await scriptedHttp();
  const url = new URL(studio.base);
  await assert.rejects(callStudio({ operation: 'x', url, method: 'GET', signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  assert.equal(studio.asked.length, 0);
});
