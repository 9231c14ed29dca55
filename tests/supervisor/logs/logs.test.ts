import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { LogEntry } from '../../../src/protocol/index.ts';
import { tempDir } from '../temp-dir.ts';

const LOGS = import.meta.resolve('../../../src/supervisor/logs/logs.ts');

/** Runs statements with an open `logs` in a process of their own, since a log writes to the real stderr. */
async function logging(dir: string, statements: string, options = '', prelude = '', readStderr = true) {
  const script = `
    import { openLogs } from ${JSON.stringify(LOGS)};
    const logs = await openLogs({ dir: ${JSON.stringify(dir)}, level: 'info', maxSize: '10m', keep: 5, stderr: 'json', ${options} });
    ${statements}
  `;
  const child = spawn('sh', ['-c', `${prelude} exec "$0" --input-type=module -e "$1"`, process.execPath, script]);
  let stdout = '';
  let stderr = '';
  if (!readStderr) child.stderr.destroy();
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

async function linesOf(dir: string): Promise<Record<string, unknown>[]> {
  const files = (await readdir(dir)).sort((left, right) => numberOf(left) - numberOf(right));
  const texts = await Promise.all(files.map((file) => readFile(path.join(dir, file), 'utf8')));
  return parseLines(texts.join(''));
}

const numberOf = (file: string): number => Number(/\d+/.exec(file)?.[0]);
const parseLines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

test('an entry goes to stderr, to a file, to the ring and to the ship queue', async () => {
  await using dir = await tempDir();
  const { code, stdout, stderr } = await logging(
    dir.file('logs'),
    `
    logs.debug('ws', 'too quiet for this level');
    logs.info('ws', 'welcomed', { jobId: 'j-1', attempt: 2, why: 'two words', level: 'mine' });
    console.log(JSON.stringify({ ring: logs.ring.after(0), ship: logs.ship.take(10) }));
    `,
  );
  assert.equal(code, 0);
  const [line, ...more] = parseLines(stderr);
  assert.deepEqual(more, []);
  assert.deepEqual(await linesOf(dir.file('logs')), [line]);
  const { time, ...rest } = line ?? {};
  assert.deepEqual(rest, {
    level: 'info',
    category: 'ws',
    jobId: 'j-1',
    attempt: 2,
    why: 'two words',
    level_: 'mine',
    msg: 'welcomed',
  });
  const { ring, ship } = JSON.parse(stdout);
  const expected = {
    ts: time,
    level: 'info',
    category: 'ws',
    message: 'welcomed attempt=2 why="two words" level=mine',
    jobId: 'j-1',
  };
  assert.deepEqual(ship, [expected]);
  assert.deepEqual(ring, [{ ...expected, seq: 1 }]);
  assert.deepEqual(LogEntry.parse(ship[0]), expected);
  if (process.platform !== 'win32') {
    assert.equal((await stat(dir.file('logs'))).mode & 0o777, 0o700);
    assert.equal((await stat(dir.file('logs/worker.1.log'))).mode & 0o777, 0o600);
  }
});

test('a secret appears in none of them, nor in a crash that follows', async () => {
  await using dir = await tempDir();
  const { code, stdout, stderr } = await logging(
    dir.path,
    `
    logs.addSecret('named-secret'); logs.addSecret(undefined); logs.addSecret('');
    const err = new Error('upload named-secret', { cause: new Error('first-secret') });
    logs.error('ws', 'failed with first-secret', { err, deep: { list: ['named-secret', { url: 'https://x/?token=shape-secret' }] } });
    logs.warn('ws', 'Bearer shape-secret', { authToken: 'field-secret' });
    logs.setLevel('debug');
    logs.debug('ws', 'named-secret', { err });
    console.log(JSON.stringify([logs.ring.after(0), logs.ship.take(10)]));
    process.exit(3);
    `,
    `secrets: ['first-secret', undefined]`,
  );
  assert.equal(code, 3);
  const files = JSON.stringify(await linesOf(dir.path));
  for (const shown of [stderr, stdout, files]) {
    assert.ok(shown.includes('[redacted]'));
    assert.ok(!shown.includes('-secret'), shown);
  }
  assert.equal((await linesOf(dir.path)).length, 3, 'nothing is lost by leaving at once');
});

test('files roll at their size, and only so many are kept', async () => {
  await using dir = await tempDir();
  const { code } = await logging(
    dir.path,
    `
    for (let index = 0; index < 200; index += 1) {
      logs.info('test', 'x'.repeat(100), { index });
      // A roll happens between two turns of the event loop.
      await new Promise(setImmediate);
    }
    await logs[Symbol.asyncDispose]();
    `,
    `maxSize: '2k', keep: 3`,
  );
  assert.equal(code, 0);
  const files = await readdir(dir.path);
  assert.equal(files.length, 3, files.join());
  for (const file of files) assert.ok((await stat(dir.file(file))).size < 3 * 1024);
  assert.ok(Math.min(...files.map(numberOf)) > 5);
  const indexes = (await linesOf(dir.path)).map((line) => Number(line.index));
  assert.equal(indexes.at(-1), 199);
  assert.deepEqual(
    indexes,
    Array.from({ length: indexes.length }, (_, at) => 200 - indexes.length + at),
    'none is missing',
  );
});

test('a restart goes on in the same file', async () => {
  await using dir = await tempDir();
  await logging(dir.path, `logs.info('a', 'one')`);
  await logging(dir.path, `logs.info('a', 'two')`);
  assert.deepEqual(await readdir(dir.path), ['worker.1.log']);
  assert.deepEqual(
    (await linesOf(dir.path)).map((line) => line.msg),
    ['one', 'two'],
  );
});

test('a restart respects the size of the file that is there, and how many files there are', async () => {
  await using dir = await tempDir();
  const fill = `for (let index = 0; index < 9; index += 1) { logs.info('test', 'x'.repeat(100)); await new Promise(setImmediate); }`;
  // 1.7 KiB a run: each second run finds a file that it may only fill up.
  for (let run = 0; run < 8; run += 1) await logging(dir.path, fill, `maxSize: '2k', keep: 3`);
  const files = await readdir(dir.path);
  assert.equal(files.length, 3, files.join());
  for (const file of files) assert.ok((await stat(dir.file(file))).size < 2.5 * 1024);
  assert.ok(Math.max(...files.map(numberOf)) >= 5, files.join());
});

test('a file rolls at its age while it is written, and none of its lines is lost', async () => {
  await using dir = await tempDir();
  const { code } = await logging(
    dir.path,
    `
    const { readdir } = await import('node:fs/promises');
    logs.info('test', 'line', { index: 0 });
    for (let index = 1; ; index += 1) {
      logs.info('test', 'line', { index });
      await new Promise(setImmediate);
      if ((await readdir(${JSON.stringify(dir.path)})).length >= 3) break;
    }
    await logs[Symbol.asyncDispose]();
    `,
    // A fifth of a second.
    `maxAgeDays: 0.2 / 86_400`,
  );
  assert.equal(code, 0);
  assert.ok((await readdir(dir.path)).length >= 3);
  const indexes = (await linesOf(dir.path)).map((line) => Number(line.index));
  assert.deepEqual(indexes, [...indexes.keys()]);
});

test('a restart leaves a file alone that is too old, and one from the future', async () => {
  await using dir = await tempDir();
  const line = (time: string, msg: string) => `${JSON.stringify({ level: 'info', time, category: 'a', msg })}\n`;
  await writeFile(
    dir.file('worker.41.log'),
    line('2020-01-01T00:00:00.000Z', 'old') + line(new Date().toISOString(), 'newer'),
  );
  await logging(dir.path, `logs.info('a', 'one')`);
  assert.deepEqual((await readdir(dir.path)).sort(), ['worker.41.log', 'worker.42.log']);
  await logging(dir.path, `logs.info('a', 'two')`);
  assert.deepEqual(
    (await linesOf(dir.path)).map(({ msg }) => msg),
    ['old', 'newer', 'one', 'two'],
  );
  await writeFile(dir.file('worker.43.log'), line('2099-01-01T00:00:00.000Z', 'from the future'));
  await logging(dir.path, `logs.info('a', 'three')`);
  assert.equal((await readdir(dir.path)).length, 4);
});

test('a restart removes what is more than is to be kept, whoever wrote it, and nothing else', async () => {
  await using dir = await tempDir();
  const others = ['worker.log', 'worker.9.log.gz', 'worker.x.log', 'other.1.log', 'workers.1.log'];
  for (const name of [...others, ...[1, 2, 3, 9, 10, 11].map((number) => `worker.${number}.log`)]) {
    await writeFile(dir.file(name), '');
  }
  await logging(dir.path, `logs.info('a', 'one')`, 'keep: 2');
  assert.deepEqual((await readdir(dir.path)).sort(), [...others, 'worker.10.log', 'worker.11.log'].sort());
  assert.match(await readFile(dir.file('worker.11.log'), 'utf8'), /"msg":"one"/);
});

test('a folder that cannot be written costs the files, and is said once', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('in-the-way'), '');
  const { code, stderr } = await logging(
    dir.file('in-the-way'),
    `logs.info('a', 'one'); logs.info('a', 'two'); await logs[Symbol.asyncDispose]();`,
  );
  assert.equal(code, 0);
  const lines = parseLines(stderr);
  assert.deepEqual(
    lines.map((line) => line.msg),
    ['log files cannot be written, going on without', 'one', 'two'],
  );
  assert.match(String(lines[0]?.problem), /in-the-way/);
});

test('a full disk costs log lines, and is said once', { skip: process.platform !== 'linux' }, async () => {
  await using dir = await tempDir();
  const { code, stderr } = await logging(
    dir.path,
    `
    process.on('SIGXFSZ', () => {});
    for (let index = 0; index < 20; index += 1) logs.info('a', 'x'.repeat(400), { index });
    await new Promise(setImmediate);
    await logs[Symbol.asyncDispose]();
    `,
    '',
    // 8 blocks: 4 or 8 KiB, whichever this shell counts in. A report of coverage would not fit, and be cut to nonsense.
    'unset NODE_V8_COVERAGE; ulimit -f 8;',
  );
  assert.equal(code, 0, stderr);
  const lines = parseLines(stderr);
  assert.equal(lines.filter((line) => line.msg === 'log files cannot be written, going on without').length, 1);
  assert.equal(lines.filter((line) => typeof line.index === 'number').length, 20);
});

test('long messages are cut and control characters taken out', async () => {
  await using dir = await tempDir();
  const { stderr } = await logging(
    dir.path,
    `
    logs.info('a', 'y'.repeat(10_000), { long: 'z'.repeat(10_000) });
    logs.info('a', 'red \\u001b[31m text\\ttab');
    `,
  );
  const [long, colour] = parseLines(stderr);
  assert.match(String(long?.msg), /^y{8192}… \(1808 characters more\)$/);
  assert.match(String(long?.long), /^z{8192}…/);
  assert.equal(colour?.msg, 'red [31m text\ttab');
});

test('on a terminal the lines are for people', async () => {
  await using dir = await tempDir();
  const { stderr } = await logging(dir.path, `logs.info('ws', 'welcomed', { attempt: 2 })`, `stderr: 'pretty'`);
  assert.match(stderr, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: \[ws\] welcomed \{"attempt":2\}\n$/);
});

test('the level can change while it runs; ring and ship queue keep info and above', async () => {
  await using dir = await tempDir();
  const { stdout, stderr } = await logging(
    dir.path,
    `
    logs.info('a', 'hidden'); logs.debug('a', 'hidden too');
    logs.setLevel('debug'); logs.debug('a', 'shown');
    console.log(JSON.stringify(logs.ship.take(10).map((entry) => entry.message)));
    `,
    `level: 'error'`,
  );
  assert.deepEqual(
    parseLines(stderr).map((line) => line.msg),
    ['shown'],
  );
  assert.deepEqual(JSON.parse(stdout), ['hidden']);
});

test('a reader of stderr that goes away does not end the worker', async () => {
  await using dir = await tempDir();
  const { code, stdout } = await logging(
    dir.path,
    `
    for (let index = 0; index < 50; index += 1) { logs.info('a', 'line'); await new Promise(setImmediate); }
    console.log('alive');
    `,
    '',
    '',
    false,
  );
  assert.equal(stdout, 'alive\n');
  assert.equal(code, 0);
  assert.equal((await linesOf(dir.path)).length, 50);
});
