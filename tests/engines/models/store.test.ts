// Files that are already there: what is used as it is, what is read first, and what is set aside.
import assert from 'node:assert/strict';
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isReservedName, legacyPaths, modelFolder } from '../../../src/engines/models/folder.ts';
import { parseManifest } from '../../../src/engines/models/manifest.ts';
import { openFetchProgress } from '../../../src/engines/models/progress.ts';
import { openSteps } from '../../../src/engines/models/steps.ts';
import type { ModelFile } from '../../../src/protocol/index.ts';
import { type FileServer, fileServer } from './file-server.ts';
import { randomFile, type StoreRig, settingsOf, sha256, storeRig } from './store-rig.ts';

const FILE = randomFile(10_000);
const OTHER = randomFile(10_000);

async function scene(): Promise<AsyncDisposable & { server: FileServer; rig: StoreRig; file: ModelFile }> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await fileServer(FILE));
  const rig = stack.use(await storeRig());
  await mkdir(rig.folder);
  const file = { role: 'model', url: `${server.base}/m.bin`, filename: 'm.bin' };
  return { server, rig, file, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('a file that an operator put there', () => {
  const cases: [string, Partial<ModelFile>, Buffer, { asked: number; aside: boolean }][] = [
    ['is used as it is when nothing speaks against it', {}, OTHER, { asked: 0, aside: false }],
    ['is used when its size is about right', { approxBytes: 10_900 }, OTHER, { asked: 0, aside: false }],
    ['is used when a catalogue knows no size', { approxBytes: 0 }, OTHER, { asked: 0, aside: false }],
    [
      'is used when its digest is right, whatever the estimate',
      { sha256: sha256(FILE), approxBytes: 5 },
      FILE,
      { asked: 0, aside: false },
    ],
    ['is set aside when it is too short', { approxBytes: 12_000 }, OTHER, { asked: 1, aside: true }],
    ['is set aside when its digest is wrong', { sha256: sha256(FILE) }, OTHER, { asked: 1, aside: true }],
    ['is set aside when it is empty', {}, Buffer.alloc(0), { asked: 1, aside: true }],
  ];
  for (const [how, patch, there, { asked, aside }] of cases) {
    test(how, async () => {
      await using it = await scene();
      const { server, rig, file } = it;
      await writeFile(join(rig.folder, 'm.bin'), there);
      await rig.ensure([{ ...file, ...patch }]);
      assert.equal(server.asked.length, asked);
      assert.ok((aside ? FILE : there).equals(await rig.read('m.bin')));
      assert.equal((await rig.names()).includes('m.bin.set-aside'), aside);
      assert.equal(
        rig.lines.some((line) => /^warn: .* it is now .*set-aside, and can be deleted/.test(line)),
        aside,
      );
    });
  }
});

test('a digest is computed once, and again when the file was touched', async () => {
  await using it = await scene();
  const { server, rig, file } = it;
  const withSha = { ...file, sha256: sha256(FILE) };
  await writeFile(join(rig.folder, 'm.bin'), FILE);
  const checks = () => rig.lines.filter((line) => line.includes('checking the sha256')).length;
  await rig.ensure([withSha]);
  await rig.ensure([withSha]);
  assert.equal(checks(), 1);
  await utimes(join(rig.folder, 'm.bin'), new Date(), new Date(1_000_000));
  await rig.ensure([withSha]);
  assert.equal(checks(), 2);
  assert.equal(server.asked.length, 0);
});

test('a downloaded file is fetched again when the offer means another one', async () => {
  await using it = await scene();
  const { server, rig, file } = it;
  await rig.ensure([{ ...file, url: `${file.url}?X-Amz-Signature=1` }]);
  await rig.ensure([{ ...file, url: `${file.url}?X-Amz-Signature=2` }]);
  await rig.ensure([{ ...file, approxBytes: 99 }]);
  assert.equal(server.asked.length, 1);
  await rig.ensure([{ ...file, url: `${file.url}?version=2` }]);
  assert.equal(server.asked.length, 2);
  server.next({ data: OTHER });
  await rig.ensure([{ ...file, sha256: sha256(OTHER) }]);
  assert.equal(server.asked.length, 3);
  assert.ok(OTHER.equals(await rig.read('m.bin')));
});

describe('a file of an older version, directly under the models root', () => {
  test('is used where it lies when its digest is right, which is remembered', async () => {
    await using it = await scene();
    const { server, rig, file } = it;
    const legacy = join(rig.root, 'm.bin');
    await writeFile(legacy, FILE);
    for (let i = 0; i < 2; i += 1) {
      assert.equal((await rig.ensure([{ ...file, sha256: sha256(FILE) }]))[0]?.path, legacy);
    }
    assert.equal(rig.lines.filter((line) => line.includes('checking')).length, 1);
    assert.equal(server.asked.length, 0);
  });
  const unused: [string, Partial<ModelFile>][] = [
    ['its digest is wrong', { sha256: sha256(FILE) }],
    ['its size is wrong', { approxBytes: 20_000 }],
    ['nothing tells whether it is the right one', {}],
  ];
  for (const [why, patch] of unused) {
    test(`is left alone when ${why}`, async () => {
      await using it = await scene();
      const { server, rig, file } = it;
      const legacy = join(rig.root, 'm.bin');
      await writeFile(legacy, OTHER);
      const [local] = await rig.ensure([{ ...file, ...patch }]);
      assert.equal(local?.path, join(rig.folder, 'm.bin'));
      assert.equal(server.asked.length, 1);
      assert.equal((await stat(legacy)).size, 10_000);
    });
  }
  test('is used when its size is right and the offer has no digest', async () => {
    await using it = await scene();
    const { server, rig, file } = it;
    await mkdir(join(rig.root, 'llm'));
    await writeFile(join(rig.root, 'llm', 'm.bin'), OTHER);
    await rig.ensure([{ ...file, approxBytes: 10_000 }]);
    assert.equal(server.asked.length, 0);
  });
});

test('several files come in the order of the offer, and a file that is named twice comes once', async () => {
  await using it = await scene();
  const { server, rig, file } = it;
  const files = [file, { ...file, role: 'vae', filename: 'n.bin', url: `${file.url}n` }, { ...file, role: 'again' }];
  const local = await rig.ensure(files);
  assert.deepEqual(
    local.map(({ role, filename }) => [role, filename]),
    [
      ['model', 'm.bin'],
      ['vae', 'n.bin'],
      ['again', 'm.bin'],
    ],
  );
  assert.equal(server.asked.length, 2);
});

describe('offers that make no sense are refused', () => {
  const cases: [string, string, Partial<ModelFile>[]][] = [
    ['a name of the store’s own', 'INPUT_INVALID', [{ filename: 'manifest.json' }]],
    ['one name for two files', 'INPUT_INVALID', [{}, { url: 'https://example.com/other' }]],
    ['no URL', 'ADDRESS_REFUSED', [{ url: 'm.bin' }]],
    ['a password in the URL', 'ADDRESS_REFUSED', [{ url: 'https://me:secret@example.com/m' }]],
    ['plain http', 'ADDRESS_REFUSED', [{ url: 'http://example.com/m' }]],
  ];
  for (const [what, code, patches] of cases) {
    test(what, async () => {
      await using it = await scene();
      await assert.rejects(it.rig.ensure(patches.map((patch) => ({ ...it.file, ...patch }))), {
        code,
        retryable: false,
      });
      assert.deepEqual(await it.rig.names(), []);
    });
  }
  test('this machine, when the studio is elsewhere', async () => {
    await using it = await scene();
    const settings = settingsOf(it.rig.root, false);
    await assert.rejects(it.rig.ensure([it.file], { settings }), { code: 'ADDRESS_REFUSED', message: /allowed_hosts/ });
    const vouched = { ...settings, network: { allowLoopback: false, allowedHosts: ['127.0.0.1'] } };
    await it.rig.ensure([it.file], { settings: vouched });
  });
});

test('a folder in the file’s place is told of', async () => {
  await using it = await scene();
  await mkdir(join(it.rig.folder, 'm.bin'));
  await assert.rejects(it.rig.ensure([it.file]), { code: 'MODELS_UNWRITABLE', message: /is not a file: remove it/ });
});

test('a folder that cannot be written is told of, and a right file in it is used', async () => {
  await using it = await scene();
  const { rig, file } = it;
  await writeFile(join(rig.folder, 'm.bin'), FILE);
  // As on a read-only file system: no lock can be taken. (The rights of a folder do not hold root back.)
  for (const name of ['m.bin.lock', 'n.bin.lock']) await mkdir(join(rig.folder, name));
  await rig.ensure([{ ...file, sha256: sha256(FILE) }]);
  await assert.rejects(rig.ensure([{ ...file, filename: 'n.bin' }]), { code: 'MODELS_UNWRITABLE' });
});

test('a models root that is a file is told of', async () => {
  await using it = await scene();
  const settings = settingsOf(join(it.rig.root, 'file'));
  await writeFile(settings.modelsRoot, '');
  await assert.rejects(it.rig.ensure([it.file], { settings }), { code: 'MODELS_UNWRITABLE' });
});

test('a broken manifest is as good as none', () => {
  const good = { url: 'u', sha256: '0'.repeat(64), size: 1, mtimeMs: 2, date: 'd' };
  for (const text of ['', '{', 'null', '{"files":7}', '{"files":{"a":null,"b":{"url":1}}}'])
    assert.deepEqual(parseManifest(text), {});
  assert.deepEqual(parseManifest(JSON.stringify({ files: { good, bad: { ...good, sha256: 'x' } } })), { good });
});

test('folders are named as upstream names them', () => {
  for (const [id, name] of [
    ['a/b:c d', 'a_b_c_d'],
    ['..', '_.'],
    ['', '_'],
    ['.git', '_git'],
    ['Qwen3.5-2b', 'Qwen3.5-2b'],
  ] as const) {
    assert.equal(modelFolder('/m', id), `/m/${name}`);
  }
  assert.deepEqual(legacyPaths('/m', 'a/b', 'f'), ['/m/f', '/m/llm/f', '/m/stt/a_b/f']);
  assert.deepEqual(
    ['m.gguf.part', 'Manifest.json', 'x.lock', 'a.part.json', 'model.json', 'part'].map(isReservedName),
    [true, true, true, true, false, false],
  );
});

test('progress weighs files by their size and never falls', () => {
  const told: number[] = [];
  let now = 0;
  const progress = openFetchProgress(
    [{ filename: 'a', approxBytes: 300 }, { filename: 'b', approxBytes: 100 }, { filename: 'c' }],
    (ratio) => told.push(ratio),
    () => now,
  );
  progress.at('a', 150, 300);
  progress.at('a', 160, 300);
  now = 250;
  progress.at('a', 300, 600);
  now = 500;
  progress.alive();
  progress.done('a', 600);
  progress.done('b', 100);
  progress.done('c', 200);
  assert.deepEqual(told, [0.25, 1 / 3, 1 / 3, 2 / 3, 7 / 9, 1]);
});

test('the log gets a line every tenth of the way, or every half minute', () => {
  const lines: string[] = [];
  let now = 0;
  const steps = openSteps(
    (line) => lines.push(line),
    () => now,
  );
  steps.at(0, 2e9);
  for (const [ms, bytes] of [
    [1_000, 1e9],
    [5_000, 1.1e9],
    [6_000, 1.2e9],
    [36_000, 1.21e9],
  ] as const) {
    now = ms;
    steps.at(bytes, 2e9);
  }
  now = 100_000;
  steps.at(1.3e9, undefined);
  steps.done(2e6);
  assert.deepEqual(lines, [
    '1.10 GB of 2.00 GB (55 %), 220 MB/s',
    '1.21 GB of 2.00 GB (60 %), 34 MB/s',
    '1.30 GB, 13 MB/s',
    'complete, 2.0 MB, 0.0 MB/s',
  ]);
});
