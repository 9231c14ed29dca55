// residency.json on a real disk.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openResidency } from '../../../src/supervisor/models/residency.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { listener } from './samples.ts';

const open = (dir: TempDir, logs = listener()) => openResidency(dir.file('residency.json'), logs);
const saved = async (dir: TempDir): Promise<unknown> => JSON.parse(await readFile(dir.file('residency.json'), 'utf8'));

test('what is resident is written sorted, and read again', async () => {
  await using dir = await tempDir();
  const residency = await open(dir);
  assert.deepEqual(await readdir(dir.path), [], 'no file before there is something to say');
  await residency.change({ add: 'b' });
  await residency.change({ add: 'a' });
  await residency.change({ add: 'c', remove: ['b', 'unknown'] });
  assert.deepEqual(await saved(dir), { version: 1, resident: ['a', 'c'] });
  const again = await open(dir);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => again.has(id)),
    [true, false, true],
  );
  await Promise.all(['x', 'y', 'z'].map((id) => again.change({ add: id })));
  assert.deepEqual(await saved(dir), { version: 1, resident: ['a', 'c', 'x', 'y', 'z'] });
});

test('what cannot be written has not happened', async () => {
  await using dir = await tempDir();
  const residency = await open(dir);
  await residency.change({ add: 'a' });
  await rm(dir.file('residency.json'));
  await mkdir(dir.file('residency.json/in-the-way'), { recursive: true });
  await assert.rejects(residency.change({ add: 'b' }), { code: 'residency_not_saved', status: 500 });
  await assert.rejects(residency.change({ remove: ['a'] }), { code: 'residency_not_saved' });
  assert.deepEqual([residency.has('a'), residency.has('b')], [true, false]);
  // Nothing is wrong with a change that changes nothing.
  await residency.change({ add: 'a', remove: ['b'] });
});

test('a file that makes no sense is set aside', async () => {
  const texts = [
    'nonsense',
    '{}',
    '{"version":2,"resident":[]}',
    '{"version":1,"resident":["a"],"more":1}',
    '{"version":1,"resident":"a"}',
    '{"version":1,"resident":[1]}',
  ];
  for (const text of texts) {
    await using dir = await tempDir();
    await writeFile(dir.file('residency.json'), text);
    const logs = listener();
    const residency = await open(dir, logs);
    assert.equal(residency.has('a'), false);
    const [aside = ''] = await readdir(dir.path);
    assert.match(aside, /^residency\.json\.corrupt-\d+$/);
    assert.equal(await readFile(dir.file(aside), 'utf8'), text);
    assert.equal(logs.lines.length, 1);
    await residency.change({ add: 'b' });
    assert.deepEqual(await saved(dir), { version: 1, resident: ['b'] });
  }
});

test('a file that cannot be read is left alone, and residency lasts for this run', async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('residency.json'));
  const logs = listener();
  const residency = await open(dir, logs);
  await residency.change({ add: 'a' });
  assert.equal(residency.has('a'), true);
  assert.deepEqual(await readdir(dir.file('residency.json')), []);
  assert.equal(logs.lines[0]?.level, 'error');
});
