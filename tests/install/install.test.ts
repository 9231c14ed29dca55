// The installer, run for real against releases on this machine: once with a whole bundle as it would be released, and
// with small ones for everything that can go wrong.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { packageVersion } from '../../src/supervisor/machine.ts';
import { bundleName } from '../../src/supervisor/update/layout.ts';
import { type TempDir, tempDir } from '../supervisor/temp-dir.ts';
import { compiled, HEALTHY, packBundle, ROOT } from '../supervisor/update/installation.ts';

const INSTALLER = path.join(ROOT, 'install/install.sh');
const TARGET = { platform: process.platform, arch: process.arch, variant: 'plain' } as const;

const fetcher = ['curl', 'wget'].find((program) => {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`]).length > 0;
  } catch {
    return false;
  }
});
const skip = process.platform === 'win32' ? 'a script for sh' : fetcher === undefined && 'needs curl or wget';

const run = promisify(execFile);

/** `setup` would install a service for the user who runs the tests. */
const noSystemd =
  existsSync('/run/systemd/system') || process.platform !== 'linux' ? 'a service manager runs here' : false;

let dir: TempDir;
let server: Server;
let base: string;
/** `<version>/<file>` and where it lies, or its text. */
const files = new Map<string, { path: string } | { text: string }>();
const asked: string[] = [];

before(async () => {
  dir = await tempDir();
  server = createServer((request, response) => {
    const url = request.url ?? '/';
    asked.push(url);
    const file = files.get(url.replace(/^\/download\/v/, '').replace(/^\//, ''));
    if (file === undefined) response.writeHead(404).end('not here');
    else if ('text' in file) response.end(file.text);
    else createReadStream(file.path).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await dir[Symbol.asyncDispose]();
});

async function publish(version: string, file: string): Promise<void> {
  files.set('latest/download/version.txt', { text: `${version}\n` });
  files.set(`${version}/${path.basename(file)}`, { path: file });
  const digest = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  files.set(`${version}/${path.basename(file)}.sha256`, { text: `${digest}  ${path.basename(file)}\n` });
}

/** A bundle of a few lines, whose packages are found beside the installation. */
async function publishSmall(version: string): Promise<void> {
  await publish(version, await packBundle(dir.file('bundles'), { version, main: HEALTHY }));
}

type Home = { readonly home: string; readonly root: string; readonly link: string };

async function makeHome(name: string): Promise<Home> {
  const home = dir.file(name);
  const root = path.join(home, '.local/share/studio-worker');
  await mkdir(root, { recursive: true });
  return { home, root, link: path.join(home, '.local/bin/studio-worker') };
}

async function smallHome(name: string): Promise<Home> {
  const made = await makeHome(name);
  await symlink(path.join(ROOT, 'node_modules'), path.join(made.root, 'node_modules'));
  return made;
}

function sh({ home }: Home, args: readonly string[], env: Record<string, string> = {}, script = INSTALLER) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const { STUDIO_WORKER_VARIANT: _, XDG_DATA_HOME: __, XDG_CONFIG_HOME: ___, ...inherited } = process.env;
    execFile(
      'sh',
      [script, ...args],
      { env: { ...inherited, HOME: home, STUDIO_WORKER_BASE_URL: base, STUDIO_WORKER_VARIANT: 'plain', ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test('the newest version is installed, linked and set up; again it changes nothing', { skip }, async () => {
  const home = await smallHome('small');
  await publishSmall('7.0.0');
  const first = await sh(home, ['--label', 'my rig']);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^studio-worker 7\.0\.0 is installed in /m);
  assert.match(first.stdout, /export PATH=".*\/\.local\/bin:\$PATH"/);
  assert.match(first.stdout, /^7\.0\.0 \d+ setup --label my rig$/m);
  assert.equal(await readlink(home.link), path.join(home.root, 'bin/studio-worker'));
  asked.length = 0;
  const second = await sh(home, [], { PATH: `${path.dirname(home.link)}:${process.env.PATH}` });
  assert.match(second.stdout, /version 7\.0\.0 is there already/);
  assert.match(second.stdout, /the command is studio-worker/);
  assert.deepEqual(asked, ['/latest/download/version.txt']);
  // The self-updater of upstream sets this; so can whoever wants the files only.
  assert.doesNotMatch((await sh(home, [], { STUDIO_WORKER_UPDATE: '1' })).stdout, /setup/);
  assert.doesNotMatch((await sh(home, ['--no-setup'])).stdout, /setup/);
});

test('a newer version takes its place, and the old one stays to go back to', { skip }, async () => {
  const home = await smallHome('newer');
  await publishSmall('7.0.0');
  await sh(home, ['--no-setup']);
  await publishSmall('7.1.0');
  await sh(home, ['--no-setup']);
  assert.equal(await readlink(path.join(home.root, 'current')), 'versions/7.1.0');
  assert.equal(await readlink(path.join(home.root, 'previous')), 'versions/7.0.0');
  await sh(home, ['--no-setup', '--version', 'v7.0.0']);
  assert.equal(await readlink(path.join(home.root, 'current')), 'versions/7.0.0');
});

test('uninstalling takes away what was installed, and nothing else', { skip }, async () => {
  const home = await smallHome('gone');
  await publishSmall('7.0.0');
  await sh(home, ['--no-setup']);
  await writeFile(path.join(home.root, 'notes.txt'), 'of the user');
  await mkdir(path.join(home.home, 'models'));
  const gone = await sh(home, ['--uninstall']);
  assert.equal(gone.code, 0, gone.stderr);
  assert.match(gone.stdout, /^7\.0\.0 \d+ uninstall-service$/m);
  assert.deepEqual((await readdir(home.root)).sort(), ['node_modules', 'notes.txt']);
  assert.ok(!existsSync(home.link));
  assert.ok(existsSync(path.join(home.home, 'models')));
  assert.match((await sh(home, ['--uninstall'])).stdout, /there is no studio-worker in/);
});

test('one command makes a worker that runs; it is not pulled away from below it', {
  skip: skip || noSystemd,
}, async () => {
  const home = await smallHome('all');
  await publish('7.0.0', await packBundle(dir.file('bundles'), { version: '7.0.0' }));
  // The port of another test's worker would do no harm, but both would say so.
  const env = { STUDIO_WORKER_LOCAL_API_PORT: '14787' };
  const ran = await sh(home, ['--api-base-url', 'http://127.0.0.1:9/', '--label', 'rig'], env);
  assert.equal(ran.code, 0, ran.stderr);
  const pid = Number(/worker: runs in the background \(pid (\d+)\)/.exec(ran.stdout)?.[1]);
  try {
    const { stdout } = await run(home.link, ['status', '--json'], {
      env: { ...process.env, HOME: home.home, XDG_CONFIG_HOME: '' },
    });
    const status = JSON.parse(stdout) as { pid: number; version: string; label: string };
    assert.deepEqual([status.pid, status.version, status.label], [pid, '7.0.0', 'rig']);
    const kept = await sh(home, ['--uninstall']);
    assert.equal(kept.code, 1);
    assert.match(kept.stderr, new RegExp(`a worker is running \\(pid ${pid}\\): stop it first`));
    assert.ok(existsSync(home.link));
  } finally {
    process.kill(pid, 'SIGTERM');
  }
  await ended(pid);
  assert.equal((await sh(home, ['--uninstall'])).code, 0);
  assert.ok(!existsSync(home.link));
  assert.ok(existsSync(path.join(home.home, '.config/minis-studio-worker/config.toml')));
});

/** A process that is no child of this one cannot be waited for, only asked after. */
async function ended(pid: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise(setImmediate);
  }
  assert.fail(`the worker ${pid} does not end`);
}

const small = (version: string): string => `${version}/${bundleName(version, TARGET)}`;
const refusals: readonly (readonly [name: string, prepare: () => void, why: RegExp])[] = [
  ['without a checksum', () => files.delete(`${small('7.0.0')}.sha256`), /no checksum/],
  ['with a checksum that is a web page', () => files.set(`${small('7.0.0')}.sha256`, { text: '<html>' }), /is not one/],
  ['with an empty checksum', () => files.set(`${small('7.0.0')}.sha256`, { text: '\n' }), /is not one/],
  [
    'with another checksum',
    () => files.set(`${small('7.0.0')}.sha256`, { text: `${'0'.repeat(64)}  x` }),
    /does not match/,
  ],
  ['that is not there', () => files.delete(small('7.0.0')), /cannot fetch/],
  ['with an odd version', () => files.set('latest/download/version.txt', { text: '../../7.0.0' }), /is no version/],
  ['with no version', () => files.delete('latest/download/version.txt'), /newest version/],
];
for (const [name, prepare, why] of refusals) {
  test(`a release ${name} is not installed, and leaves nothing`, { skip }, async () => {
    const home = await smallHome(name.replaceAll(' ', '-'));
    await publishSmall('7.0.0');
    prepare();
    const ran = await sh(home, ['--no-setup']);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, why);
    assert.deepEqual(await readdir(path.join(home.root, 'versions')), []);
    assert.deepEqual((await readdir(home.root)).sort(), ['node_modules', 'versions']);
    assert.ok(!existsSync(home.link));
  });
}

test('half of the script, from a download that broke off, does nothing', { skip }, async () => {
  const home = await makeHome('half');
  const text = await readFile(INSTALLER, 'utf8');
  for (const part of [0.3, 0.6, 0.95]) {
    const half = dir.file('half.sh');
    await writeFile(half, text.slice(0, Math.floor(text.length * part)));
    await sh(home, [], {}, half);
    assert.deepEqual(await readdir(home.root), []);
  }
});

test('plain http is refused for everything but this machine, and so is a relative folder', { skip }, async () => {
  const home = await makeHome('refused');
  const http = await sh(home, [], { STUDIO_WORKER_BASE_URL: 'http://example.com/releases' });
  assert.deepEqual([http.code, /must begin with https/.test(http.stderr)], [1, true]);
  const relative = await sh(home, [], { STUDIO_WORKER_DIR: 'here' });
  assert.deepEqual([relative.code, /absolute path/.test(relative.stderr)], [1, true]);
  assert.deepEqual(await readdir(home.root), []);
});

test('a command of that name that is not ours stays', { skip }, async () => {
  const home = await smallHome('taken');
  await publishSmall('7.0.0');
  await mkdir(path.dirname(home.link), { recursive: true });
  await writeFile(home.link, 'somebody else’s');
  const ran = await sh(home, ['--no-setup']);
  assert.match(ran.stderr, /is something else and stays/);
  assert.equal(await readFile(home.link, 'utf8'), 'somebody else’s');
});

test('a machine with NVIDIA’s driver asks for the CUDA bundle, and takes the plain one when there is none', {
  skip: skip || process.arch !== 'x64',
}, async () => {
  const home = await smallHome('cuda');
  await publishSmall('7.0.0');
  const ran = await sh(home, ['--no-setup'], { STUDIO_WORKER_VARIANT: 'cuda' });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /there is no CUDA bundle of 7\.0\.0/);
  assert.equal(ran.code, 0);
});

// Not in a suite of their own: its time would be that of all of them together.
const version = packageVersion();
const name = bundleName(version, TARGET);
let home: Home;
const bundled = { skip: skip || (process.platform !== 'linux' && 'made on Linux only') };

test('a bundle as it is released is made of what was built and installed', bundled, async () => {
  await compiled();
  const out = dir.file('release');
  // Level 0: packing is not what is tested.
  const made = execFileSync(
    process.execPath,
    [path.join(ROOT, 'scripts/bundle.ts'), '--node', process.execPath, '--out', out, '--level', '0'],
    { encoding: 'utf8' },
  );
  assert.match(made, /unpacked \d+\.\d MiB/);
  const file = path.join(out, name);
  assert.deepEqual((await readdir(out)).sort(), [name, `${name}.sha256`]);
  assert.ok((await stat(file)).size < 1024 ** 3, 'more than 1 GiB: something is in it that should not be');
  files.set('latest/download/version.txt', { text: version });
  files.set(`${version}/${name}`, { path: file });
  files.set(`${version}/${name}.sha256`, { path: `${file}.sha256` });
});

test('it is installed', bundled, async () => {
  home = await makeHome('real');
  const ran = await sh(home, ['--no-setup']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal((await command('--version')).stdout, `studio-worker ${version}\n`);
});

test('it works: its engines find their libraries, with no other Node on the machine', bundled, async () => {
  const report = JSON.parse((await command('doctor', '--json')).stdout) as {
    engines: { id: string; ready: boolean; detail?: string }[];
  };
  const engines = new Map(report.engines.map((engine) => [engine.id, engine]));
  // What lives on native libraries, each of them pruned to this platform.
  for (const id of ['llama-cpp', 'whisper-cpp', 'onnx', 'piper']) {
    assert.equal(engines.get(id)?.ready, true, `${id}: ${JSON.stringify(engines.get(id))}`);
  }
});

function command(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const PATH = '/usr/bin:/bin';
  const env = { ...process.env, HOME: home.home, XDG_CONFIG_HOME: path.join(home.home, '.config'), PATH };
  return new Promise((resolve) => {
    execFile(home.link, args, { env }, (_error, stdout, stderr) => resolve({ stdout, stderr }));
  });
}
