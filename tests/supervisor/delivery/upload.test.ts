// Handing a binary result over: the exact multipart body, and which answers are worth another attempt.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { type OutboxEntry, openOutbox } from '../../../src/supervisor/delivery/outbox.ts';
import { isClaimLost, uploadResult } from '../../../src/supervisor/delivery/upload.ts';
import { type Answer, type Asked, type ScriptedHttp, scriptedHttp } from '../scripted-http.ts';

const { signal } = new AbortController();
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

async function entryOf(
  t: test.TestContext,
  jobId = 'job-1',
  ext = 'webp',
  prompt = 'a "fox"\r\nin grün',
): Promise<OutboxEntry> {
  const dir = await mkdtemp(path.join(tmpdir(), 'studio-worker-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const outbox = await openOutbox(dir, () => {});
  const writer = outbox.writer(jobId);
  await writer.write(BYTES);
  return writer.commit({ jobId, digest: 'd', kind: 'image', model: 'm', prompt, finishedAtMs: 0 }, ext);
}

const credentials = (studio: ScriptedHttp) => ({ apiBaseUrl: studio.base, workerId: 'w-1', authToken: 'tok' });

type Part = { headers: Record<string, string>; body: Buffer };

/** The parts in the order of the body, read byte by byte rather than by a parser that forgives. */
function partsOf({ headers, body }: Asked): Part[] {
  const boundary = /^multipart\/form-data; boundary="?([^"]+)"?$/.exec(headers['content-type'] ?? '')?.[1];
  assert.ok(boundary, headers['content-type']);
  const parts: Part[] = [];
  const mark = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(mark); at >= 0; ) {
    const from = at + mark.length;
    if (body.subarray(from, from + 2).toString() === '--') return parts;
    const headEnd = body.indexOf('\r\n\r\n', from);
    at = body.indexOf(mark, headEnd);
    const lines = body
      .subarray(from + 2, headEnd)
      .toString()
      .split('\r\n');
    const pairs = lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]);
    parts.push({ headers: Object.fromEntries(pairs), body: body.subarray(headEnd + 4, at - 2) });
  }
  return assert.fail('the multipart body has no end');
}

test('the body has the parts prompt, ext and image, in this order and with nothing else', async (t) => {
  const entry = await entryOf(t);
  await using studio = await scriptedHttp([200, {}]);
  await uploadResult(entry, credentials(studio), signal);
  const asked = studio.asked[0] as Asked;
  assert.equal(`${asked.method} ${asked.url}`, 'POST /graphics/api/workers/w-1/jobs/job-1/complete');
  assert.equal(asked.headers.authorization, 'Bearer tok');
  const [prompt, ext, image, ...rest] = partsOf(asked) as [Part, Part, Part];
  assert.deepEqual(prompt.headers, { 'content-disposition': 'form-data; name="prompt"' });
  assert.equal(prompt.body.toString(), 'a "fox"\r\nin grün');
  assert.deepEqual(ext.headers, { 'content-disposition': 'form-data; name="ext"' });
  assert.equal(ext.body.toString(), 'webp');
  assert.deepEqual(image.headers, {
    'content-disposition': 'form-data; name="image"; filename="job-1.webp"',
    'content-type': 'image/webp',
  });
  assert.deepEqual(image.body, BYTES);
  assert.deepEqual(rest, []);
});

for (const [ext, type] of [
  ['wav', 'audio/wav'],
  ['mp4', 'video/mp4'],
  ['avif', 'application/octet-stream'],
]) {
  test(`a ${ext} travels as ${type}, in a part that is still called image`, async (t) => {
    const entry = await entryOf(t, 'a.b:c~d', ext);
    await using studio = await scriptedHttp([200, {}]);
    await uploadResult(entry, credentials(studio), signal);
    const image = partsOf(studio.asked[0] as Asked)[2];
    assert.deepEqual(image?.headers, {
      'content-disposition': `form-data; name="image"; filename="a.b:c~d.${ext}"`,
      'content-type': type,
    });
    assert.equal(studio.asked[0]?.url, '/graphics/api/workers/w-1/jobs/a.b:c~d/complete');
  });
}

test('any 2xx will do, whatever its body', async (t) => {
  const entry = await entryOf(t);
  for (const answer of [[204], [201, '<html>']] as Answer[]) {
    await using studio = await scriptedHttp(answer);
    await uploadResult(entry, credentials(studio), signal);
    assert.equal(studio.asked.length, 1);
  }
});

// The pauses are the contract's own, so these two run side by side.
test('failures of the studio', { concurrency: true }, async (t) => {
  const server5xx = t.test('a 5xx and a broken connection are tried again after one and two seconds', async (t) => {
    const entry = await entryOf(t);
    await using studio = await scriptedHttp([503, 'later'], (response) => void response.destroy(), [200, {}]);
    await uploadResult(entry, credentials(studio), signal);
    const [first, second, third] = studio.asked as [Asked, Asked, Asked];
    const pauses = [second.atMs - first.atMs, third.atMs - second.atMs];
    for (const [index, expected] of [1000, 2000].entries()) {
      const pause = pauses[index] ?? 0;
      assert.ok(pause > expected - 50 && pause < expected + 700, `pause ${index + 1} took ${pause} ms`);
    }
    assert.deepEqual(partsOf(third)[2]?.body, BYTES);
  });
  const exhausted = t.test('after the third 5xx the last answer is the error', async (t) => {
    const entry = await entryOf(t);
    await using studio = await scriptedHttp([500, 'one'], [502, 'two'], [503, 'three']);
    await assert.rejects(uploadResult(entry, credentials(studio), signal), {
      message: 'complete failed: 503 — three',
      status: 503,
    });
    assert.equal(studio.asked.length, 3);
  });
  await Promise.all([server5xx, exhausted]);
});

for (const [status, lost] of [
  [400, false],
  [401, false],
  [404, true],
  [409, true],
  [413, false],
] as const) {
  test(`a ${status} is not tried again${lost ? ', and says that the claim is lost' : ''}`, async (t) => {
    const entry = await entryOf(t);
    await using studio = await scriptedHttp([status, { error: 'no' }]);
    const error = await uploadResult(entry, credentials(studio), signal).catch((thrown: unknown) => thrown);
    assert.equal((error as Error).message, `complete failed: ${status} — {"error":"no"}`);
    assert.equal(isClaimLost(error), lost);
    assert.equal(studio.asked.length, 1);
  });
}

test('only an answer of the studio can say that the claim is lost', () => {
  for (const other of [new Error('409'), { status: 409 }, undefined]) assert.equal(isClaimLost(other), false);
});

test('an abort ends an upload under way', async (t) => {
  const entry = await entryOf(t);
  const controller = new AbortController();
  await using studio = await scriptedHttp(async (response) => {
    controller.abort();
    await once(response, 'close');
  });
  await assert.rejects(uploadResult(entry, credentials(studio), controller.signal), { name: 'AbortError' });
});

test('an abort ends the pause before the next attempt', async (t) => {
  let abortedAt = 0;
  const entry = await entryOf(t);
  const controller = new AbortController();
  await using studio = await scriptedHttp((response) => {
    response.on('close', () => {
      abortedAt = performance.now();
      controller.abort();
    });
    response.writeHead(500, { connection: 'close' }).end();
  });
  await assert.rejects(uploadResult(entry, credentials(studio), controller.signal), { name: 'AbortError' });
  assert.ok(performance.now() - abortedAt < 900);
  assert.equal(studio.asked.length, 1);
});

test('a JSON result is not uploaded', async (t) => {
  const { result: _, ...entry } = await entryOf(t);
  const json: OutboxEntry = { ...entry, result: { kind: 'json', value: 1 } };
  await using studio = await scriptedHttp();
  await assert.rejects(uploadResult(json, credentials(studio), signal), TypeError);
  assert.equal(studio.asked.length, 0);
});
