// The pure parts of the store, by tables: Hugging Face, ranges, full disks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isResumable, judge, rangeHeaders } from '../../../src/engines/models/answer.ts';
import { checkDisk, diskFailure } from '../../../src/engines/models/disk.ts';
import { atMirror, hubHeaders, hubOf, isHubUrl } from '../../../src/engines/models/hub.ts';
import { Failure } from '../../../src/protocol/failure.ts';

test('a mirror is asked instead of Hugging Face, and of nothing else', () => {
  const hub = hubOf({ HF_ENDPOINT: 'https://mirror.example/hf/', HF_TOKEN: ' t ' });
  assert.equal(atMirror('https://huggingface.co/a/b?x=1', hub), 'https://mirror.example/hf/a/b?x=1');
  for (const url of [
    'https://example.com/a',
    'http://huggingface.co/a',
    'https://huggingface.co.evil.example/a',
    'no url',
  ]) {
    assert.equal(atMirror(url, hub), url);
  }
  assert.deepEqual(hubOf({ HF_ENDPOINT: 'mirror', HF_TOKEN: '' }), { endpoint: undefined, token: undefined });
  assert.equal(atMirror('https://huggingface.co/a', hubOf({})), 'https://huggingface.co/a');
  assert.deepEqual(
    ['https://hf.co/x', 'https://mirror.example/', 'https://other.example/', 'x'].map((url) => isHubUrl(url, hub)),
    [true, true, false, false],
  );
});

test('the token goes to the hub over https, and never to where it redirects', () => {
  const hub = hubOf({ HF_ENDPOINT: 'https://mirror.example', HF_TOKEN: 't' });
  const cases: [hop: string, first: string, sent: boolean][] = [
    ['https://huggingface.co/a', 'https://huggingface.co/a', true],
    ['https://huggingface.co/b', 'https://huggingface.co/a', true],
    ['https://mirror.example/a', 'https://mirror.example/a', true],
    ['http://huggingface.co/a', 'http://huggingface.co/a', false],
    ['https://cdn.example/a', 'https://huggingface.co/a', false],
    ['https://huggingface.co/a', 'https://cdn.example/a', false],
    ['https://mirror.example:444/a', 'https://mirror.example:444/a', false],
    ['https://huggingface.co.evil.example/', 'https://huggingface.co.evil.example/', false],
  ];
  for (const [hop, first, sent] of cases) {
    assert.deepEqual(
      hubHeaders(new URL(hop), new URL(first), hub),
      sent ? { authorization: 'Bearer t' } : {},
      `${first} → ${hop}`,
    );
  }
  assert.deepEqual(hubHeaders(new URL('https://hf.co/a'), new URL('https://hf.co/a'), hubOf({})), {});
});

test('a range is asked for with the strongest validator there is', () => {
  const have = (more: object) => ({ size: 5, version: { url: 'u', ...more } });
  assert.deepEqual(rangeHeaders({ size: 0, version: { url: 'u', etag: '"a"' } }), {});
  assert.deepEqual(rangeHeaders({ size: 5, version: undefined }), {});
  assert.deepEqual(rangeHeaders(have({ etag: '"a"', lastModified: 'd' })), { range: 'bytes=5-', 'if-range': '"a"' });
  assert.deepEqual(rangeHeaders(have({ etag: 'W/"a"', lastModified: 'd' })), { range: 'bytes=5-' });
  assert.deepEqual(rangeHeaders(have({ lastModified: 'd' })), { range: 'bytes=5-', 'if-range': 'd' });
  const wanted = { url: 'u', sha256: undefined };
  assert.deepEqual(
    [have({}), have({ etag: 'a' }), { size: 0, version: undefined }].map((one) => isResumable(one, wanted)),
    [false, true, true],
  );
  assert.equal(isResumable(have({ etag: 'a' }), { ...wanted, url: 'v' }), false);
  assert.equal(isResumable(have({}), { ...wanted, sha256: 's' }), true);
});

test('an answer to a range counts only when it is of the same version and begins where we are', () => {
  const have = { size: 5, version: { url: 'u', etag: '"a"', lastModified: 'd', total: 10 } };
  const wanted = { what: 'it', url: 'u', ofHub: false, hasToken: false };
  const said = (statusCode: number, headers: Record<string, string | string[]>) =>
    judge({ statusCode, headers }, have, wanted).do;
  assert.equal(said(206, { 'content-range': 'bytes 5-9/10', etag: '"a"', 'last-modified': 'other' }), 'goOn');
  assert.equal(said(206, { 'content-range': ['bytes 5-9/10'] }), 'goOn');
  assert.equal(said(206, { 'content-range': 'bytes 5-9/10', 'last-modified': 'other' }), 'startOver');
  assert.equal(said(206, { 'content-range': 'bytes 5-9/10', etag: '"b"' }), 'startOver');
  assert.equal(said(206, { 'content-range': 'bytes 4-9/10' }), 'startOver');
  assert.equal(said(206, { 'content-range': 'bytes 5-9/*' }), 'startOver');
  assert.equal(said(206, { 'content-range': 'bytes 5-10/11' }), 'startOver');
  assert.equal(said(206, {}), 'startOver');
  assert.equal(said(416, { 'content-range': 'bytes */5' }), 'startOver');
  assert.equal(
    judge({ statusCode: 416, headers: { 'content-range': 'bytes */10' } }, { ...have, size: 10 }, wanted).do,
    'done',
  );
});

test('a full disk and an unwritable one are told apart', async () => {
  const of = (code: string) => diskFailure(Object.assign(new Error('no'), { code }), 'it').code;
  assert.deepEqual(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'].map(of), [
    'DISK_FULL',
    'DISK_FULL',
    'MODELS_UNWRITABLE',
    'MODELS_UNWRITABLE',
  ]);
  const failure = new Failure('CANCELLED', 'x');
  assert.equal(diskFailure(failure, 'it'), failure);
  await checkDisk('/no/such/folder/at/all', 1, 'it');
  await assert.rejects(checkDisk('/no/such/folder', 2 ** 60, 'it'), { code: 'DISK_FULL' });
});
