// models.json on a real disk: seeds, changes, studios, and files that cannot be used.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openCatalogue, readCatalogue } from '../../../src/supervisor/models/catalogue.ts';
import { SEEDS } from '../../../src/supervisor/models/seeds.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { claim, entry, listener, source } from './samples.ts';

const SEED_IDS = SEEDS.map(({ id }) => id);

const open = (dir: TempDir, logs = listener(), inUse?: (id: string) => boolean) =>
  openCatalogue({ path: dir.file('models.json'), logs, ...(inUse && { inUse }) });

async function saved(dir: TempDir): Promise<{ models: { id: string }[]; dismissedSeeds?: string[] }> {
  return JSON.parse(await readFile(dir.file('models.json'), 'utf8'));
}

const ids = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id);

test('a new catalogue is the seeds, each of them fit for the wire', async () => {
  await using dir = await tempDir();
  assert.deepEqual(ids(await readCatalogue(dir.file('models.json'))), SEED_IDS);
  assert.deepEqual(await readdir(dir.path), [], 'looking creates nothing');
  await using catalogue = await open(dir);
  assert.deepEqual(ids(catalogue.list()), SEED_IDS);
  assert.deepEqual(ids((await saved(dir)).models), SEED_IDS);
  for (const { source: from } of SEEDS) {
    for (const file of from.files) assert.match(file.sha256 ?? '', /^[0-9a-f]{64}$/);
  }
  // What was written is what is read.
  await using again = await open(dir);
  assert.deepEqual(JSON.parse(JSON.stringify(again.list())), JSON.parse(JSON.stringify(SEEDS)));
});

test('an entry is added at the end, replaced in its place, and kept over a restart with what it said', async () => {
  await using dir = await tempDir();
  await using catalogue = await open(dir);
  await catalogue.put(entry('mine', { description: 'a model', exclusiveGroup: 'one', enabled: false }));
  await catalogue.put({ ...entry('qwen3.5-2b'), state: 'loaded', since: 'now' });
  assert.deepEqual(ids(catalogue.list()), [...SEED_IDS, 'mine']);
  await using again = await open(dir);
  assert.equal(again.get('qwen3.5-2b')?.source.engine, 'test');
  assert.deepEqual(again.get('mine'), {
    ...{ id: 'mine', displayName: 'mine', kind: 'llm', vramGbEstimate: 1, source: source() },
    ...{ description: 'a model', exclusiveGroup: 'one', enabled: false, origin: 'local' },
  });
});

test('a seed that was removed does not come back, unless somebody adds it', async () => {
  await using dir = await tempDir();
  {
    await using catalogue = await open(dir);
    assert.equal(await catalogue.remove('qwen3.5-2b'), true);
    assert.equal(await catalogue.remove('qwen3.5-2b'), false);
    await catalogue.put(entry('mine'));
    assert.equal(await catalogue.remove('mine'), true);
  }
  assert.deepEqual((await saved(dir)).dismissedSeeds, ['qwen3.5-2b']);
  await using again = await open(dir);
  assert.deepEqual(
    ids(again.list()),
    SEED_IDS.filter((id) => id !== 'qwen3.5-2b'),
  );
  await again.put(entry('qwen3.5-2b'));
  assert.equal((await saved(dir)).dismissedSeeds, undefined);
});

test('an entry that makes no sense is refused with the field', async () => {
  await using dir = await tempDir();
  await using catalogue = await open(dir);
  let deep: unknown = 'end';
  for (let depth = 0; depth < 20_000; depth += 1) deep = [deep];
  const cases: [value: unknown, says: RegExp][] = [
    [undefined, /./],
    [[], /./],
    ['text', /./],
    [{}, /id/],
    [entry(''), /id/],
    [entry('..'), /id/],
    [entry('a/b'), /id/],
    [entry('a b'), /id/],
    [entry('a?b'), /id/],
    [entry('a\nb'), /id/],
    [entry('x'.repeat(300)), /id/],
    [entry('m', { kind: 'music' }), /kind/],
    [entry('m', { vramGbEstimate: -1 }), /vramGbEstimate/],
    [entry('m', { vramGbEstimate: 1e9 }), /vramGbEstimate/],
    [entry('m', { vramGbEstimate: '12' }), /vramGbEstimate/],
    [entry('m', { displayName: ' ' }), /displayName/],
    [entry('m', { source: { engine: '../up' } }), /source\.engine/],
    [entry('m', { source: source({ files: [{ role: 'm', url: 'u', filename: '../../etc/passwd' }] }) }), /filename/],
    [entry('m', { source: { ...source(), cliDefaults: { chatTemplateKwargs: { deep } } } }), /./],
  ];
  for (const [value, says] of cases) {
    await assert.rejects(catalogue.put(value), { code: 'bad_model', status: 400, message: says }, JSON.stringify(says));
  }
  assert.deepEqual(ids(catalogue.list()), SEED_IDS);
});

test('a disk that refuses changes nothing', { skip: process.platform === 'win32' }, async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('in'));
  await using catalogue = await openCatalogue({ path: dir.file('in/models.json'), logs: listener() });
  // A folder in the place of the file: even root cannot rename over it.
  const { rm } = await import('node:fs/promises');
  await rm(dir.file('in/models.json'));
  await mkdir(dir.file('in/models.json/in-the-way'), { recursive: true });
  await assert.rejects(catalogue.put(entry('mine')), { code: 'catalogue_not_saved', status: 500 });
  await assert.rejects(catalogue.remove('qwen3.5-2b'), { code: 'catalogue_not_saved' });
  assert.deepEqual(ids(catalogue.list()), SEED_IDS);
});

test('a file that makes no sense is set aside whole, said in the log without quoting it, and seeded anew', async () => {
  const texts = ['', '{"models": [', '[]', '{"models":{}}', '{"models":[{"id":"s3cret-thing"}]}', '\0\0\0'];
  for (const text of texts) {
    await using dir = await tempDir();
    await writeFile(dir.file('models.json'), text);
    const logs = listener();
    await assert.rejects(readCatalogue(dir.file('models.json')));
    await using catalogue = await open(dir, logs);
    assert.deepEqual(ids(catalogue.list()), SEED_IDS, text);
    const aside = (await readdir(dir.path)).filter((name) => /^models\.json\.corrupt-\d+$/.test(name));
    assert.equal(aside.length, 1);
    assert.equal(await readFile(dir.file(aside[0] ?? ''), 'utf8'), text);
    assert.equal(logs.lines.filter(({ level }) => level === 'warn').length, 1);
    assert.doesNotMatch(JSON.stringify(logs.lines), /s3cret/);
    assert.deepEqual(ids((await saved(dir)).models), SEED_IDS);
  }
});

test('several broken files in one second are all kept', async () => {
  await using dir = await tempDir();
  for (const text of ['one', 'two', 'three']) {
    await writeFile(dir.file('models.json'), text);
    await using _catalogue = await open(dir);
  }
  const aside = (await readdir(dir.path)).filter((name) => name.startsWith('models.json.corrupt-'));
  const texts = await Promise.all(aside.map((name) => readFile(dir.file(name), 'utf8')));
  assert.deepEqual(texts.sort(), ['one', 'three', 'two']);
});

test('a file that cannot be read stays as it is, and the catalogue lives in memory', async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('models.json'));
  const logs = listener();
  await using catalogue = await open(dir, logs);
  await catalogue.put(entry('mine'));
  assert.equal(catalogue.get('mine')?.displayName, 'mine');
  assert.deepEqual(await readdir(dir.file('models.json')), []);
  assert.equal(logs.lines.filter(({ level }) => level === 'error').length, 1);
});

test('and so does one that this user may not read', {
  skip: process.getuid?.() === 0 || process.platform === 'win32',
}, async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('models.json'), '{"models":[]}');
  await chmod(dir.file('models.json'), 0);
  await using catalogue = await open(dir);
  await catalogue.put(entry('mine'));
  await chmod(dir.file('models.json'), 0o600);
  assert.equal(await readFile(dir.file('models.json'), 'utf8'), '{"models":[]}');
});

test('what studios offer is mirrored, kept over a restart, and never overwrites a local entry', async () => {
  await using dir = await tempDir();
  {
    await using catalogue = await open(dir);
    await catalogue.put(entry('mine'));
    assert.equal(catalogue.learn(claim('mine', { modelSource: source({ engine: 'other' }) })), undefined);
    assert.equal(catalogue.get('mine')?.source.engine, 'test');

    const learnt = catalogue.learn(claim('org/theirs'));
    assert.deepEqual(learnt?.entry, {
      ...{ id: 'org/theirs', displayName: 'org/theirs', kind: 'llm', vramGbEstimate: 0, source: source() },
      ...{ enabled: true, origin: 'studio' },
    });
    assert.equal(catalogue.learn(claim('org/theirs')), undefined, 'nothing new');
    await catalogue.put({ ...entry('org/theirs', { origin: 'studio', enabled: false }) });
    catalogue.learn(claim('org/theirs', { modelSource: source({ engine: 'newer' }) }));
    for (const name of ['', ' padded ', 'line\nbreak', 'x'.repeat(300)]) {
      assert.equal(catalogue.learn(claim(name)), undefined, name);
    }
    const url = `https://example.com/${'x'.repeat(2000)}`;
    const files = Array.from({ length: 64 }, (_, at) => ({ role: 'm', url, filename: `${at}` }));
    assert.equal(catalogue.learn(claim('huge', { modelSource: source({ files }) })), undefined);
  }
  await using again = await open(dir);
  const { source: from, enabled, origin } = again.get('org/theirs') ?? {};
  assert.deepEqual([from?.engine, enabled, origin], ['newer', false, 'studio'], 'what was chosen here stays');
});

test('of many models of studios those stay that were met last, and those in use', async () => {
  await using dir = await tempDir();
  await using catalogue = await open(dir, listener(), (id) => id === 'm1');
  for (let at = 0; at < 120; at += 1) {
    catalogue.learn(claim(`m${at}`));
    catalogue.learn(claim('m0'));
  }
  const learnt = catalogue.list().filter(({ origin }) => origin === 'studio');
  assert.equal(learnt.length, 101, 'a hundred, and the one in use');
  for (const id of ['m0', 'm1', 'm119']) assert.ok(catalogue.get(id), id);
  assert.equal(catalogue.get('m2'), undefined);
  assert.deepEqual(ids(catalogue.list()).slice(0, SEED_IDS.length), SEED_IDS);
});

test('changes at the same time are all kept', async () => {
  await using dir = await tempDir();
  await using catalogue = await open(dir);
  const added = Array.from({ length: 20 }, (_, at) => `m${at}`);
  await Promise.all([...added.map((id) => catalogue.put(entry(id))), catalogue.remove('qwen3.5-2b')]);
  const expected = [...SEED_IDS.filter((id) => id !== 'qwen3.5-2b'), ...added];
  assert.deepEqual(ids((await saved(dir)).models), expected);
  assert.deepEqual(ids(catalogue.list()), expected);
});
