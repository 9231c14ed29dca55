// Inputs by URL: what is taken, what is refused, and that nothing is left of what was refused.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fetchInput, type InputContext } from '../../../src/engines/inputs/fetch-input.ts';
import { fileType } from '../../../src/engines/inputs/file-type.ts';
import { type Behaviour, type FileServer, fileServer } from '../models/file-server.ts';

const PNG = Buffer.from('\x89PNG\r\n\x1a\nand the rest', 'latin1');

type Scene = AsyncDisposable & {
  readonly server: FileServer;
  take(url: string, more?: Partial<InputContext>): ReturnType<typeof fetchInput>;
  names(): Promise<string[]>;
};

async function scene(): Promise<Scene> {
  const server = await fileServer(PNG);
  const dir = await mkdtemp(join(tmpdir(), 'inputs-test-'));
  return {
    server,
    take: (url, more = {}) =>
      fetchInput(url, {
        ...{ dir, maxBytes: 1000, signal: new AbortController().signal, what: 'the mask', retryMs: 1 },
        network: { allowLoopback: true, allowedHosts: [] },
        ...more,
      }),
    names: () => readdir(dir),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

describe('an input is kept with the extension of its content', () => {
  const cases: [string, Behaviour[]][] = [
    ['at once', []],
    ['without a length, in small pieces', [{ chunked: true, pieceBytes: 3 }]],
    ['after a redirect', [{ status: 302, headers: { location: '/other.jpg' } }]],
    ['though the server was out of order', [{ status: 502 }, { dropAfter: 4 }]],
  ];
  for (const [how, behaviours] of cases) {
    test(how, async () => {
      await using it = await scene();
      it.server.next(...behaviours);
      const { path, bytes } = await it.take(`${it.server.base}/picture.jpg`);
      assert.equal(bytes, PNG.length);
      assert.equal(extname(path), '.png');
      assert.ok(PNG.equals(await readFile(path)));
      assert.equal((await it.names()).length, 1);
    });
  }
  test('from a data: URL', async () => {
    await using it = await scene();
    const { path, bytes } = await it.take(`data:image/webp;base64,${PNG.toString('base64')}`);
    assert.deepEqual([bytes, extname(path)], [PNG.length, '.png']);
    assert.equal(extname((await it.take('DATA:;base64,AAAA')).path), '.bin');
  });
});

describe('an input is refused', () => {
  const base64 = Buffer.alloc(1001).toString('base64');
  const cases: [string, string, Behaviour[], string, RegExp][] = [
    ['that is not there', '/x', [{ status: 404 }], 'INPUT_INVALID', /the mask cannot be had: the server answered 404/],
    ['that is too large, by its length', '/x', [{ data: Buffer.alloc(1001) }], 'INPUT_INVALID', /larger than/],
    [
      'that is too large, without a length',
      '/x',
      [{ data: Buffer.alloc(1001), chunked: true }],
      'INPUT_INVALID',
      /larger than/,
    ],
    ['that is empty', '/x', [{ data: Buffer.alloc(0) }], 'INPUT_INVALID', /is empty/],
    ['whose server stays out of order', '/x', Array(3).fill({ status: 500 }), 'DOWNLOAD_FAILED', /answered with 500/],
    [
      'whose connection keeps breaking',
      '/x',
      Array(3).fill({ dropAfter: 2 }),
      'DOWNLOAD_FAILED',
      /could not be fetched/,
    ],
    [
      'that redirects into the network',
      '/x',
      [{ status: 302, headers: { location: 'https://10.0.0.1/' } }],
      'ADDRESS_REFUSED',
      /not public/,
    ],
    ['that is a file', 'file:///etc/passwd', [], 'ADDRESS_REFUSED', /must use https/],
    ['that is no URL', 'picture.png', [], 'ADDRESS_REFUSED', /not at a URL/],
    ['as data that is not base64', 'data:text/plain,hello', [], 'INPUT_INVALID', /not base64/],
    ['as data with other characters', 'data:;base64,AA!A', [], 'INPUT_INVALID', /not valid base64/],
    ['as data that is a little too large', `data:;base64,${base64}`, [], 'INPUT_INVALID', /larger than/],
    ['as data that is much too large', `data:;base64,${base64}${base64}`, [], 'INPUT_INVALID', /larger than/],
    ['as data that is empty', 'data:;base64,', [], 'INPUT_INVALID', /is empty/],
  ];
  for (const [what, url, behaviours, code, message] of cases) {
    test(what, async () => {
      await using it = await scene();
      it.server.next(...behaviours);
      await assert.rejects(it.take(url.startsWith('/') ? `${it.server.base}${url}` : url), { code, message });
      assert.deepEqual(await it.names(), []);
    });
  }
  test('on this machine, when the studio is elsewhere', async () => {
    await using it = await scene();
    const network = { allowLoopback: false, allowedHosts: [] };
    await assert.rejects(it.take(it.server.base, { network }), { code: 'ADDRESS_REFUSED' });
  });
});

test('a cancelled job leaves nothing of its input', async () => {
  await using it = await scene();
  const controller = new AbortController();
  it.server.next({ stallAfter: 5 });
  const stuck = it.take(it.server.base, { signal: controller.signal });
  await it.server.arrived(1);
  controller.abort(new Error('stop'));
  await assert.rejects(stuck, /stop/);
  assert.deepEqual(await it.names(), []);
  await assert.rejects(it.take(it.server.base, { signal: controller.signal }), /stop/);
});

test('files are told by their first bytes', () => {
  const cases: Record<string, string> = {
    jpg: '\xff\xd8\xff\xe0',
    gif: 'GIF89a',
    bmp: 'BM',
    webp: 'RIFF....WEBP',
    wav: 'RIFF....WAVE',
    avi: 'RIFF....AVI ',
    mp4: '....ftypisom',
    m4a: '....ftypM4A ',
    mov: '....ftypqt  ',
    avif: '....ftypavif',
    webm: '\x1aE\xdf\xa3',
    ogg: 'OggS',
    flac: 'fLaC',
    mp3: 'ID3',
    tif: 'II*\0',
    zip: 'PK\x03\x04',
    aac: '\xff\xf1',
    gz: '\x1f\x8b',
  };
  for (const [ext, head] of Object.entries(cases)) assert.equal(fileType(Buffer.from(head, 'latin1')), ext);
  assert.equal(fileType(Buffer.from([0xff, 0xfb])), 'mp3');
  for (const head of ['', 'RIFF', 'RIFF....XXXX', 'hello']) assert.equal(fileType(Buffer.from(head)), undefined);
});
