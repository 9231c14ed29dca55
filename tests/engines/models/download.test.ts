// Downloads against a server that drops, stalls, lies and changes its mind.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ModelFile } from '../../../src/protocol/index.ts';
import { type Behaviour, type FileServer, fileServer } from './file-server.ts';
import { randomFile, type StoreRig, sha256, storeRig } from './store-rig.ts';

const FILE = randomFile(300_000);

type Scene = AsyncDisposable & { readonly server: FileServer; readonly rig: StoreRig; readonly file: ModelFile };

async function scene(patch: Partial<ModelFile> = {}): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await fileServer(FILE));
  const rig = stack.use(await storeRig());
  const file = { role: 'model', url: `${server.base}/m.gguf`, filename: 'm.gguf', ...patch };
  return { server, rig, file, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const STALLS = 'from a server that stalls';
const WITH_SHA = { sha256: sha256(FILE).toUpperCase() };

describe('a file arrives whole', () => {
  const cases: [string, Partial<ModelFile>, Behaviour[], (string | undefined)[]][] = [
    ['at once', WITH_SHA, [], [undefined]],
    ['without a digest in the offer', {}, [], [undefined]],
    ['without a length', WITH_SHA, [{ chunked: true }], [undefined]],
    [
      'though the connection drops twice',
      {},
      [{ dropAfter: 100_000 }, { dropAfter: 50_000 }],
      [undefined, 'bytes=100000-', 'bytes=150000-'],
    ],
    ['though chunks break off', WITH_SHA, [{ chunked: true, dropAfter: 70_000 }], [undefined, 'bytes=70000-']],
    [STALLS, WITH_SHA, [{ stallAfter: 1000 }], [undefined, 'bytes=1000-']],
    [
      'from a server that is out of order at first',
      {},
      [{ status: 503 }, { status: 429 }],
      [undefined, undefined, undefined],
    ],
    [
      'from a server that knows no ranges',
      WITH_SHA,
      [{ dropAfter: 9 }, { ignoreRange: true }],
      [undefined, 'bytes=9-'],
    ],
    [
      'by its weak tag, compared afterwards',
      {},
      [{ etag: 'W/"w"', dropAfter: 9 }, { etag: 'W/"w"' }],
      [undefined, 'bytes=9-'],
    ],
    [
      'from the start, without anything that tells its version',
      {},
      [{ etag: null, dropAfter: 9 }, { etag: null }],
      [undefined, 'bytes=9-'],
    ],
  ];
  for (const [how, patch, behaviours, ranges] of cases) {
    test(how, async () => {
      await using it = await scene(patch);
      const { server, rig, file } = it;
      server.next(...behaviours);
      const local = await rig.ensure([file], how === STALLS ? { stallMs: 600 } : {});
      assert.deepEqual(local, [{ role: 'model', filename: 'm.gguf', path: join(rig.folder, 'm.gguf') }]);
      assert.ok(FILE.equals(await rig.read('m.gguf')));
      assert.deepEqual(await rig.names(), ['m.gguf', 'manifest.json']);
      assert.deepEqual(
        server.asked.map(({ headers }) => headers.range),
        ranges,
      );
    });
  }
});

describe('a remote file that changes between two attempts is fetched from the start', () => {
  const old = randomFile(300_000);
  const cases: [string, Behaviour[]][] = [
    ['by If-Range', [{ data: old, etag: '"old"', dropAfter: 9_000 }]],
    ['though the server ignores If-Range', [{ data: old, etag: '"old"', dropAfter: 9_000 }, { ignoreIfRange: true }]],
    [
      'though only its length tells',
      [
        {
          data: old.subarray(1),
          etag: null,
          headers: { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' },
          dropAfter: 9_000,
        },
        { etag: null, ignoreIfRange: true },
      ],
    ],
    [
      'and is shorter now',
      [{ data: Buffer.concat([old, old]), etag: '"old"', dropAfter: 400_000 }, { ignoreIfRange: true }],
    ],
  ];
  for (const [how, behaviours] of cases) {
    test(how, async () => {
      await using it = await scene();
      it.server.next(...behaviours);
      await it.rig.ensure([it.file]);
      assert.ok(FILE.equals(await it.rig.read('m.gguf')));
    });
  }
});

describe('what cannot be had says why, and leaves nothing', () => {
  const hint = /set HF_TOKEN/;
  const cases: [string, Partial<ModelFile>, Behaviour[], string, RegExp][] = [
    ['404', {}, [{ status: 404 }], 'MODEL_NOT_FOUND', /is not there \(404\)/],
    ['410', {}, [{ status: 410 }], 'MODEL_NOT_FOUND', /410/],
    ['401 of another host', {}, [{ status: 401 }], 'MODEL_NOT_FOUND', /not given to this worker \(401\)$/],
    ['418', {}, [{ status: 418 }], 'MODEL_NOT_FOUND', /418/],
    ['a web page', {}, [{ headers: { 'content-type': 'text/html; charset=utf-8' } }], 'MODEL_NOT_FOUND', /web page/],
    [
      'a wrong digest',
      { sha256: '0'.repeat(64) },
      [],
      'MODEL_CORRUPT',
      /should have the sha256 0+ and has [0-9a-f]{64}$/,
    ],
    [
      'a length that is far off',
      { approxBytes: 1_000 },
      [],
      'MODEL_CORRUPT',
      /about 1000 bytes, and the server has 300000/,
    ],
    ['an empty file', {}, [{ data: Buffer.alloc(0) }], 'MODEL_CORRUPT', /is empty/],
    ['no room', { approxBytes: 2 ** 50 }, [], 'DISK_FULL', /needs 1153434 GiB .* move `models_root`/],
    [
      'a server that is out of order for good',
      {},
      Array(6).fill({ status: 500 }),
      'DOWNLOAD_FAILED',
      /at the moment \(500\)/,
    ],
    [
      'a piece that nobody asked for',
      {},
      Array(6).fill({ status: 206, headers: { 'content-range': 'bytes 5-9/10' } }),
      'DOWNLOAD_FAILED',
      /in a piece/,
    ],
  ];
  for (const [what, patch, behaviours, code, message] of cases) {
    test(what, async () => {
      await using it = await scene(patch);
      it.server.next(...behaviours);
      await assert.rejects(it.rig.ensure([it.file]), { code, message });
      assert.deepEqual(await it.rig.names(), []);
    });
  }

  test('a gated repository tells of HF_TOKEN, and a token that may not read it is told so', async () => {
    await using it = await scene({ url: 'https://huggingface.co/a/b/resolve/main/m.gguf' });
    const env = { HF_ENDPOINT: it.server.base };
    it.server.next({ status: 401 }, { status: 403 });
    await assert.rejects(it.rig.ensure([it.file], { env }), { code: 'MODEL_NOT_FOUND', message: hint });
    await assert.rejects(it.rig.ensure([it.file], { env: { ...env, HF_TOKEN: 'hf_x' } }), {
      message: /accept the model/,
    });
    assert.deepEqual(await it.rig.names(), []);
    assert.equal(it.server.asked[0]?.url, '/a/b/resolve/main/m.gguf');
    // Plain http: the token stays here.
    assert.deepEqual(
      it.server.asked.map(({ headers }) => headers.authorization),
      [undefined, undefined],
    );
  });
});

test('a line that drops at every megabyte is not given up, and one without progress is', async () => {
  const large = randomFile(9 * 1024 * 1024);
  await using server = await fileServer(large);
  await using rig = await storeRig();
  const file = { role: 'model', url: server.base, filename: 'large.bin', sha256: sha256(large) };
  server.next(...Array(8).fill({ dropAfter: 1024 * 1024 }));
  await rig.ensure([file]);
  assert.equal(server.asked.length, 9);
  const other = { ...file, filename: 'other.bin', url: `${server.base}/other` };
  server.next(...Array(6).fill({ dropAfter: 10 }));
  await assert.rejects(rig.ensure([other]), { code: 'DOWNLOAD_FAILED', message: /broke off after 60 bytes/ });
  // Kept for the next job.
  assert.ok((await rig.names()).includes('other.bin.part'));
});

test('a cancelled download keeps its part, and the next one goes on with it', async () => {
  await using it = await scene(WITH_SHA);
  const { server, rig, file } = it;
  const controller = new AbortController();
  server.next({ stallAfter: 200_000 });
  const stuck = rig.ensure([file], { signal: controller.signal, stallMs: 60_000 });
  await server.arrived(1);
  controller.abort(new Error('stop'));
  await assert.rejects(stuck, /stop/);
  const left = (await rig.names()).includes('m.gguf.part');
  await rig.ensure([file]);
  const range = server.asked[1]?.headers.range;
  assert.equal(range !== undefined, left);
  assert.ok(FILE.equals(await rig.read('m.gguf')));
});

test('a part that is already complete is taken as it is', async () => {
  await using it = await scene(WITH_SHA);
  const { server, rig, file } = it;
  server.next({ dropAfter: 10 }, ...Array(5).fill({ status: 500 }));
  await assert.rejects(rig.ensure([file]));
  await writeFile(join(rig.folder, 'm.gguf.part'), FILE);
  await rig.ensure([file]);
  assert.equal(server.asked.at(-1)?.headers.range, 'bytes=300000-');
  assert.ok(FILE.equals(await rig.read('m.gguf')));
});

test('a spoilt part is found by the digest and not gone on with again', async () => {
  await using it = await scene(WITH_SHA);
  const { server, rig, file } = it;
  server.next({ dropAfter: 10 }, ...Array(5).fill({ status: 500 }));
  await assert.rejects(rig.ensure([file]));
  await writeFile(join(rig.folder, 'm.gguf.part'), 'rubbish');
  await assert.rejects(rig.ensure([file]), { code: 'MODEL_CORRUPT', retryable: true });
  assert.deepEqual(await rig.names(), []);
  await rig.ensure([file]);
});

describe('redirects', () => {
  test('are followed, relative ones too', async () => {
    await using it = await scene(WITH_SHA);
    it.server.next({ status: 302, headers: { location: '/elsewhere' } }, { status: 307, headers: { location: 'x' } });
    await it.rig.ensure([it.file]);
    assert.deepEqual(
      it.server.asked.map(({ url }) => url),
      ['/m.gguf', '/elsewhere', '/x'],
    );
  });
  const refused: [string, string][] = [
    ['http://10.1.2.3/m', 'must use https'],
    ['https://192.168.1.1/m', 'not public'],
    ['https://169.254.169.254/latest/meta-data', 'not public'],
    ['https://[fd00:ec2::254]/', 'not public'],
    ['file:///etc/passwd', 'must use https'],
    ['http://', 'not at a URL'],
  ];
  for (const [location, message] of refused) {
    test(`to ${location} are refused for good`, async () => {
      await using it = await scene();
      it.server.next({ status: 302, headers: { location } });
      await assert.rejects(it.rig.ensure([it.file]), { code: 'ADDRESS_REFUSED', message: new RegExp(message) });
      assert.deepEqual(await it.rig.names(), []);
    });
  }
  test('without end are given up', async () => {
    await using it = await scene();
    it.server.next(...Array(40).fill({ status: 301, headers: { location: '/again' } }));
    await assert.rejects(it.rig.ensure([it.file]), { code: 'DOWNLOAD_FAILED', message: /more than 5 redirects/ });
  });
});

test('progress never falls and ends at 1; the log tells the file and hides what is secret', async () => {
  await using it = await scene({ approxBytes: 290_000 });
  const { server, rig, file } = it;
  server.next({ dropAfter: 100_000 }, { ignoreRange: true, pieceBytes: 10_000 });
  await rig.ensure([
    { ...file, url: `${file.url}?token=secret` },
    { ...file, filename: 'n.gguf', url: `${file.url}2` },
  ]);
  assert.deepEqual(
    rig.ratios,
    rig.ratios.toSorted((a, b) => a - b),
  );
  assert.equal(rig.ratios.at(-1), 1);
  assert.ok(rig.lines.some((line) => line.includes('downloading the file m.gguf of http://127.0.0.1')));
  assert.ok(rig.lines.some((line) => line.includes('from the start')));
  assert.doesNotMatch(`${rig.lines.join()}${await rig.read('manifest.json')}`, /secret/);
});

test('a disk that fills up leaves no part of the download', async (context) => {
  const data = randomFile(3 * 1024 * 1024);
  await using server = await fileServer(data);
  await using rig = await storeRig();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', rig.root], { stdio: 'ignore' });
  } catch {
    return context.skip('a small disk cannot be mounted here');
  }
  try {
    const file = { role: 'model', url: server.base, filename: 'm.bin' };
    // Without a length nothing can be known before.
    server.next({ chunked: true });
    await assert.rejects(rig.ensure([file]), { code: 'DISK_FULL', message: /filled up .* make room/ });
    assert.deepEqual(await rig.names(), []);
    await assert.rejects(rig.ensure([file]), { code: 'DISK_FULL', message: /needs 3 MiB and 2 MiB are free/ });
    assert.deepEqual(await rig.names(), []);
  } finally {
    execFileSync('umount', ['-l', rig.root]);
  }
});
