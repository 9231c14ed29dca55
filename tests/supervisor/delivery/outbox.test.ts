// Finished results on real files: whole or not at all, whatever the ids look like and wherever a crash falls.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { type Outbox, type OutboxEntry, type OutboxMeta, openOutbox } from '../../../src/supervisor/delivery/outbox.ts';
import { tempDir } from '../temp-dir.ts';

type Warning = { message: string; fields: Record<string, unknown> };

async function open(dir: string): Promise<{ outbox: Outbox; warnings: Warning[] }> {
  const warnings: Warning[] = [];
  const outbox = await openOutbox(dir, (message, fields) => void warnings.push({ message, fields }));
  return { outbox, warnings };
}

const meta = (jobId: string): OutboxMeta => ({
  jobId,
  digest: 'd'.repeat(64),
  kind: 'image',
  model: 'm',
  prompt: 'a fox',
  finishedAtMs: 1_700_000_000_000,
});

async function putBytes(outbox: Outbox, jobId: string, ...chunks: string[]): Promise<OutboxEntry> {
  const writer = outbox.writer(jobId);
  for (const chunk of chunks) await writer.write(Buffer.from(chunk));
  return writer.commit(meta(jobId), 'webp');
}

const endings = async (dir: string): Promise<string[]> =>
  (await readdir(dir)).map((name) => name.replace(/^.*?\./, '')).sort();

test('a binary result is there after a restart, with its bytes in order', async () => {
  await using dir = await tempDir();
  const entry = await putBytes((await open(dir.path)).outbox, 'job-1', 'one ', 'two ', 'three');
  assert.deepEqual(entry.result, { kind: 'bytes', ext: 'webp', byteLength: 13 });
  const { outbox, warnings } = await open(dir.path);
  assert.deepEqual(outbox.entries(), [entry]);
  assert.deepEqual(outbox.get('job-1'), entry);
  assert.equal(await readFile(entry.path, 'utf8'), 'one two three');
  assert.deepEqual(warnings, []);
});

test('a JSON result is there after a restart', async () => {
  await using dir = await tempDir();
  const value = { choices: [{ text: 'grün' }], empty: null };
  const { outbox } = await open(dir.path);
  const entry = await outbox.putJson({ ...meta('job-1'), kind: 'llm' }, value);
  assert.deepEqual(entry.result, { kind: 'json', value });
  assert.deepEqual((await open(dir.path)).outbox.get('job-1'), entry);
});

test('an empty binary result is a result', async () => {
  await using dir = await tempDir();
  await putBytes((await open(dir.path)).outbox, 'job-1');
  assert.equal((await open(dir.path)).outbox.entries().length, 1);
});

test('results are for the eyes of their owner', { skip: process.platform === 'win32' }, async () => {
  await using dir = await tempDir();
  const folder = dir.file('deep/outbox');
  const { outbox } = await open(folder);
  await putBytes(outbox, 'job-1', 'x');
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const name of await readdir(folder)) assert.equal((await stat(path.join(folder, name))).mode & 0o777, 0o600);
});

test('before the commit there is no entry, and after a discard there is no file', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  const writer = outbox.writer('job-1');
  await writer.write(Buffer.from('half'));
  assert.deepEqual([outbox.entries(), await endings(dir.path)], [[], ['part']]);
  await writer.discard();
  assert.deepEqual([outbox.entries(), await endings(dir.path)], [[], []]);
});

test('a chunk that comes after the discard begins no new file', async () => {
  await using dir = await tempDir();
  const writer = (await open(dir.path)).outbox.writer('job-1');
  await writer.discard();
  await assert.rejects(writer.write(Buffer.from('late')), { code: 'OUTBOX_UNWRITABLE' });
  await assert.rejects(writer.commit(meta('job-1'), 'webp'), { code: 'OUTBOX_UNWRITABLE' });
  assert.deepEqual(await endings(dir.path), []);
});

test('a discard after the commit does no harm', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  const writer = outbox.writer('job-1');
  await writer.write(Buffer.from('all'));
  const { path: file } = await writer.commit(meta('job-1'), 'webp');
  await writer.discard();
  assert.equal(await readFile(file, 'utf8'), 'all');
});

test('what a crash left half-written is swept up, and finished results stay', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  const { path: file } = await putBytes(outbox, 'job-1', 'kept');
  for (const name of ['a.part', 'b.bin', 'c.json.tmp']) await writeFile(dir.file(name), 'litter');
  await writeFile(dir.file('README'), 'not ours');
  const again = await open(dir.path);
  assert.deepEqual(await endings(dir.path), ['README', 'bin', 'json']);
  assert.deepEqual(
    again.outbox.entries().map((entry) => entry.jobId),
    ['job-1'],
  );
  assert.equal(await readFile(file, 'utf8'), 'kept');
});

const corruptions: [string, (record: string) => string][] = [
  ['is cut off', (record) => record.slice(0, -10)],
  ['is of a later version', (record) => record.replace('"version":1', '"version":2')],
  ['lacks a field', (record) => record.replace('"digest"', '"digests"')],
  ['says another length than the bytes have', (record) => record.replace('"byteLength":5', '"byteLength":6')],
  ['names another job than its file', (record) => record.replace('job-1', 'job-2')],
];
for (const [what, corrupt] of corruptions) {
  test(`a record that ${what} is set aside with its bytes, reported, and not read again`, async () => {
    await using dir = await tempDir();
    const { path: bytes } = await putBytes((await open(dir.path)).outbox, 'job-1', 'bytes');
    const record = bytes.replace(/bin$/, 'json');
    await writeFile(record, corrupt(await readFile(record, 'utf8')));

    const { outbox, warnings } = await open(dir.path);
    assert.deepEqual(outbox.entries(), []);
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.message, 'an outbox record cannot be read and was set aside');
    assert.equal(warnings[0]?.fields.path, record);

    // The next start must not sweep up what the first one saved.
    assert.deepEqual((await open(dir.path)).warnings, []);
    assert.deepEqual(await endings(dir.path), ['bin.corrupt', 'json.corrupt']);
    assert.equal(await readFile(`${bytes}.corrupt`, 'utf8'), 'bytes');
  });
}

test('a record whose bytes are gone is set aside', async () => {
  await using dir = await tempDir();
  const { path: bytes } = await putBytes((await open(dir.path)).outbox, 'job-1', 'bytes');
  await rm(bytes);
  const { outbox, warnings } = await open(dir.path);
  assert.deepEqual([outbox.entries().length, warnings.length], [0, 1]);
});

test('a removed result is gone from memory at once, and from the disk when the promise resolves', async () => {
  await using dir = await tempDir();
  const { outbox, warnings } = await open(dir.path);
  await putBytes(outbox, 'job-1', 'x');
  await outbox.putJson(meta('job-2'), 1);
  const removals = Promise.all([outbox.remove('job-1'), outbox.remove('job-2'), outbox.remove('never-was')]);
  assert.deepEqual(outbox.entries(), []);
  await removals;
  assert.deepEqual(await endings(dir.path), []);
  assert.deepEqual(warnings, []);
});

test('a result that cannot be removed is reported, and nothing throws', async () => {
  await using dir = await tempDir();
  const { outbox, warnings } = await open(dir.path);
  const { path: bytes } = await putBytes(outbox, 'job-1', 'x');
  await rm(bytes);
  await mkdir(bytes);
  await outbox.remove('job-1');
  assert.deepEqual(
    warnings.map((each) => each.message),
    ['a delivered result could not be removed'],
  );
});

test('a new result of a job is not caught by the removal of its old one', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  for (let round = 0; round < 10; round += 1) {
    await putBytes(outbox, 'job-1', 'old');
    const writer = outbox.writer('job-1');
    await writer.write(Buffer.from('new'));
    void outbox.remove('job-1');
    const removal = outbox.remove('job-1');
    const { path: bytes } = await writer.commit(meta('job-1'), 'webp');
    await removal;
    assert.equal(await readFile(bytes, 'utf8'), 'new');
    assert.equal((await open(dir.path)).outbox.entries().length, 1);
    // Many, so that they surely are not done when the new record is written.
    for (let times = 0; times < 50; times += 1) void outbox.remove('job-1');
    const entry = await outbox.putJson(meta('job-1'), round);
    assert.deepEqual((await open(dir.path)).outbox.get('job-1'), entry);
  }
});

test('ids of any shape are kept apart and stay inside the folder', async () => {
  await using dir = await tempDir();
  const folder = dir.file('outbox');
  const { outbox } = await open(folder);
  const ids = [
    'job',
    'JOB',
    'Job',
    '..',
    '../x',
    'a/b',
    'a_b',
    'a\\b',
    'a:b',
    'con',
    'x'.repeat(128),
    'é',
    'e\u0301',
    ' ',
    '~',
  ];
  for (const id of ids) await putBytes(outbox, id, id);
  const again = (await open(folder)).outbox;
  assert.deepEqual(
    again
      .entries()
      .map((entry) => entry.jobId)
      .sort(),
    [...ids].sort(),
  );
  for (const id of ids) assert.equal(await readFile(again.get(id)?.path ?? '', 'utf8'), id);
  // Also where file names ignore case.
  assert.equal(new Set((await readdir(folder)).map((name) => name.toLowerCase())).size, ids.length * 2);
  assert.deepEqual(await readdir(dir.path), ['outbox']);
});

test('whatever the id, its file name is plain and short', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 300, unit: 'binary' }), async (id) => {
      const { path: bytes } = await outbox.putJson(meta(id), null);
      assert.match(path.relative(dir.path, bytes), /^[A-Za-z0-9_-]{1,70}\.bin$/);
      await outbox.remove(id);
    }),
    { numRuns: 30 },
  );
});

test('a folder that cannot be written is named in the failure', async () => {
  await using dir = await tempDir();
  const folder = dir.file('outbox');
  const { outbox } = await open(folder);
  await rm(folder, { recursive: true });
  await writeFile(folder, 'a file where the folder was');
  const expected = {
    code: 'OUTBOX_UNWRITABLE',
    retryable: true,
    message: `the result could not be kept in ${folder}: the folder cannot be written`,
  };
  await assert.rejects(outbox.putJson(meta('job-1'), 1), expected);
  await assert.rejects(outbox.writer('job-2').write(Buffer.from('x')), expected);
  await assert.rejects(outbox.writer('job-3').commit(meta('job-3'), 'webp'), expected);
  assert.deepEqual(outbox.entries(), []);
});

test('an outbox that is not a folder does not open', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('outbox'), '');
  await assert.rejects(open(dir.file('outbox')), { message: /^cannot write in the folder .*outbox \(EEXIST\)/ });
});

test('when the record cannot be written, its bytes do not stay behind', async () => {
  await using dir = await tempDir();
  const { outbox } = await open(dir.path);
  const { path: bytes } = await putBytes(outbox, 'job-1', 'x');
  await outbox.remove('job-1');
  // A folder in the place of the record: the bytes can be put there, the record cannot.
  await mkdir(bytes.replace(/bin$/, 'json'));
  await assert.rejects(putBytes(outbox, 'job-1', 'y'), { code: 'OUTBOX_UNWRITABLE' });
  assert.deepEqual(await endings(dir.path), ['json']);
  assert.deepEqual(outbox.entries(), []);
});

type Disk = { readonly dir: string } & AsyncDisposable;

/** A disk of 64 KiB. Undefined where this process may not mount one. */
async function tinyDisk(): Promise<Disk | undefined> {
  const dir = await tempDir();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir.path], { stdio: 'ignore' });
  } catch {
    await dir[Symbol.asyncDispose]();
    return undefined;
  }
  return {
    dir: dir.path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['-l', dir.path]);
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('a full disk is called a full disk, and nothing is left behind', async (t) => {
  await using disk = await tinyDisk();
  if (disk === undefined) return t.skip('a small disk cannot be mounted here');
  const { outbox } = await open(disk.dir);
  const full = { code: 'OUTBOX_UNWRITABLE', message: `the result could not be kept in ${disk.dir}: the disk is full` };

  const writer = outbox.writer('job-1');
  await writer.write(Buffer.alloc(32 * 1024));
  await assert.rejects(writer.write(Buffer.alloc(64 * 1024)), full);
  assert.deepEqual(await readdir(disk.dir), []);

  await assert.rejects(outbox.putJson(meta('job-2'), 'x'.repeat(100_000)), full);
  assert.deepEqual(await readdir(disk.dir), []);

  // The bytes just fit, the record does not.
  const tight = outbox.writer('job-3');
  await tight.write(Buffer.alloc(64 * 1024));
  await assert.rejects(tight.commit(meta('job-3'), 'webp'), full);
  assert.deepEqual(await readdir(disk.dir), []);
  assert.deepEqual(outbox.entries(), []);

  const small = await outbox.putJson(meta('job-4'), 'fits');
  assert.deepEqual((await open(disk.dir)).outbox.entries(), [small]);
});
