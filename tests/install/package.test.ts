// The npm package as it is published: what is in it, and that it runs without the sources.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { extract } from 'tar';
import { packageVersion } from '../../src/supervisor/machine.ts';
import { type TempDir, tempDir } from '../supervisor/temp-dir.ts';
import { compiled, ROOT } from '../supervisor/update/installation.ts';
import { releaseServer } from '../supervisor/update/release-server.ts';

const run = promisify(execFile);
let dir: TempDir;
let files: string[];
let bin: string;

before(async () => {
  await compiled();
  dir = await tempDir();
  // Without its scripts: the build would clean away what other tests run from.
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', dir.path], {
    cwd: ROOT,
    shell: process.platform === 'win32',
    maxBuffer: 64 * 1024 * 1024,
  });
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  files = packed?.files.map((file) => file.path) ?? [];
  // As `npm i -g` leaves it: with its own modules below it.
  const folder = dir.file('lib/node_modules/studio-worker');
  await mkdir(folder, { recursive: true });
  await extract({ file: dir.file(path.basename(packed?.filename ?? '')), cwd: folder, strip: 1 });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'junction');
  bin = path.join(folder, 'bin/studio-worker.js');
});
after(async () => dir[Symbol.asyncDispose]());

test('the package has the program, the studio and the docs, and no sources, tests or work of the build', () => {
  for (const file of [
    ...['bin/studio-worker.js', 'dist/main.js', 'dist/studio/worker.mjs', 'dist/workers/thread.js'],
    ...['dist/supervisor/update/launcher-main.js', 'docs/configuration.md', 'README.md', 'LICENSE'],
  ]) {
    assert.ok(files.includes(file), file);
  }
  assert.deepEqual(
    files.filter((file) => /^(src|tests|scripts|fixtures|bench|install)\/|tsbuildinfo/.test(file)),
    [],
  );
});

test('it runs', async () => {
  assert.equal((await run(process.execPath, [bin, '--version'])).stdout, `studio-worker ${packageVersion()}\n`);
});

test('it says of a newer version how npm installs it, and does not touch itself', async () => {
  await using server = await releaseServer();
  await server.publish('99.0.0');
  const config = dir.file('config.toml');
  await writeFile(config, `auto_update_feed = "${server.feed}"\n`, { mode: 0o600 });
  const ended = (args: string[]) =>
    run(process.execPath, [bin, ...args, '--config', config]).then(
      (ran) => ({ code: 0, ...ran }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  const check = await ended(['check-update']);
  assert.deepEqual([check.code, check.stdout], [10, `update available: ${packageVersion()} -> 99.0.0\n`]);
  assert.match(check.stderr, /npm i -g studio-worker/);
  const json = await ended(['check-update', '--json']);
  assert.deepEqual(JSON.parse(json.stdout), {
    running: packageVersion(),
    available: '99.0.0',
    bad: [],
    installed: 'npm',
  });
  for (const command of ['update', 'rollback']) {
    const refused = await ended([command]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /npm i -g studio-worker/);
  }
  server.answer('/releases', (response) => response.writeHead(502).end());
  const failed = await ended(['check-update']);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /the release feed cannot be had: its server answers 502/);
});
