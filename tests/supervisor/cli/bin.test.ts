import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { BIN, runCli } from './run-cli.ts';

test('the launcher may be executed', { skip: process.platform === 'win32' }, async () => {
  assert.equal((await stat(BIN)).mode & 0o777, 0o755);
});

/** A package around a copy of the launcher, whose program is `main`. */
async function packageWith(dir: TempDir, entry: string, main: string): Promise<string> {
  for (const folder of ['bin', path.dirname(entry)]) await mkdir(dir.file(folder), { recursive: true });
  await writeFile(dir.file('package.json'), '{"type":"module"}');
  await copyFile(BIN, dir.file('bin/studio-worker.js'));
  await writeFile(dir.file(entry), main);
  return dir.file('bin/studio-worker.js');
}

const echo = (name: string) =>
  `export async function main(argv) { console.log(${JSON.stringify(name)}, ...argv); return 7; }`;

test('sources are preferred to what was compiled, and the exit code is what main returns', async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', echo('dist'));
  assert.deepEqual(await runCli(['a', 'b c'], { bin }), { code: 7, signal: null, stdout: 'dist a b c\n', stderr: '' });
  await packageWith(dir, 'src/main.ts', echo('src'));
  assert.equal((await runCli(['a'], { bin })).stdout, 'src a\n');
});

/** A Node that this program cannot use, where the machine has one. */
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
  try {
    const [major = 0] = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
      .split('.')
      .map(Number);
    return major >= 16 && major < 22;
  } catch {
    return false;
  }
});
const skip = oldNode === undefined ? 'there is no old Node here' : false;

/** As `npm ci` puts it into a clone. */
async function ownNode(dir: TempDir): Promise<void> {
  await mkdir(dir.file('node_modules/node/bin'), { recursive: true });
  await writeFile(dir.file('node_modules/node/bin/node'), `#!/bin/sh\nexec "${process.execPath}" "$@"\n`);
  await chmod(dir.file('node_modules/node/bin/node'), 0o755);
}

test('an old Node without a newer one at hand is told what is needed', { skip }, async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', echo('dist'));
  const { code, stdout, stderr } = await runCli([], { bin, node: oldNode });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^studio-worker needs Node\.js 22\.19 or newer; this is \d+\./);
});

test('an old Node hands over to the one of the clone', { skip }, async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', echo('inner'));
  await ownNode(dir);
  assert.deepEqual(await runCli(['a', 'b c'], { bin, node: oldNode }), {
    code: 7,
    signal: null,
    stdout: 'inner a b c\n',
    stderr: '',
  });
  const version = await runCli(['--version'], { node: oldNode });
  assert.match(version.stdout, /^studio-worker \d/);
});

/** Says its pid, waits for a signal, says which, and ends with 5. */
const LONG = `
  export async function main() {
    const signal = new Promise((resolve) => {
      const hold = setInterval(() => {}, 60_000);
      process.once('SIGTERM', (name) => {
        clearInterval(hold);
        resolve(name);
      });
    });
    // Last: whoever reads it may send the signal at once.
    console.log(String(process.pid));
    console.log('got', await signal);
    return 5;
  }
`;

test('signals reach the inner process, and its exit code comes back', { skip }, async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', LONG);
  await ownNode(dir);
  const child = spawn(oldNode ?? '', [bin], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8');
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [said] = await once(child.stdout, 'data');
  assert.equal(said, 'got SIGTERM\n');
  assert.deepEqual(await once(child, 'close'), [5, null]);
});

test('an inner process killed by a signal kills the outer one with the same', { skip }, async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', LONG);
  await ownNode(dir);
  const child = spawn(oldNode ?? '', [bin], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = await once(child.stdout.setEncoding('utf8'), 'data');
  process.kill(Number(pid), 'SIGKILL');
  assert.deepEqual(await once(child, 'close'), [null, 'SIGKILL']);
});

test('a killed outer process takes the inner one with it', { skip }, async () => {
  await using dir = await tempDir();
  const bin = await packageWith(dir, 'dist/main.js', LONG);
  await ownNode(dir);
  const child = spawn(oldNode ?? '', [bin], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout.setEncoding('utf8'), 'data');
  child.kill('SIGKILL');
  const [said] = await once(child.stdout, 'data');
  assert.equal(said, 'got SIGTERM\n');
  await once(child.stdout, 'close');
});
