// Fetching and staging a release from a feed on this machine: what arrives, and what is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { create } from 'tar';
import { checkForUpdate, findRelease } from '../../../src/supervisor/update/check.ts';
import { fetchReleases } from '../../../src/supervisor/update/feed.ts';
import { takeInstallLock } from '../../../src/supervisor/update/install-lock.ts';
import { bundleName, type Layout, layoutOf } from '../../../src/supervisor/update/layout.ts';
import { stageRelease } from '../../../src/supervisor/update/stage.ts';
import { withBad, writeUpdateState } from '../../../src/supervisor/update/update-state.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { HEALTHY, packBundle } from './installation.ts';
import { type Handler, type ReleaseServer, releaseServer } from './release-server.ts';

const VERSION = '2.0.0';
const NAME = bundleName(VERSION, { platform: process.platform, arch: process.arch, variant: 'plain' });
const ASSET = `/${VERSION}/${NAME}`;

let dir: TempDir;
let server: ReleaseServer;
let bundle: string;
let layout: Layout;
let count = 0;

before(async () => {
  dir = await tempDir();
  bundle = await packBundle(dir.file('made'), { version: VERSION, main: HEALTHY });
});
after(async () => dir[Symbol.asyncDispose]());
beforeEach(async () => {
  server = await releaseServer();
  count += 1;
  layout = layoutOf(dir.file(`root-${count}`));
});
afterEach(async () => server[Symbol.asyncDispose]());

async function stage(feed = server.feed): Promise<void> {
  await stageRelease({ layout, release: await findRelease(feed, VERSION), variant: 'plain', feed });
}

/** The installation is as if nothing had been tried. */
async function untouched(): Promise<void> {
  assert.deepEqual(await readdir(layout.versions).catch(() => []), []);
  assert.deepEqual(await readdir(layout.downloads).catch(() => []), []);
}

test('a release is fetched, checked and put into versions/ as a whole', async () => {
  await server.publish(VERSION, bundle);
  await stage();
  const folder = path.join(layout.versions, VERSION);
  assert.ok((await stat(path.join(folder, 'runtime/node'))).mode & 0o100);
  assert.ok((await stat(path.join(folder, 'dist/supervisor/update/launcher-main.js'))).isFile());
  assert.deepEqual(await readdir(layout.versions), [VERSION]);
  assert.deepEqual(await readdir(layout.downloads), []);
  const [feed] = server.asked;
  assert.equal(feed?.headers.accept, 'application/vnd.github+json');
  assert.match(feed?.headers['user-agent'] ?? '', /^studio-worker\/\d/);
});

test('a version that is there is not fetched again, unless it is remembered as bad', async () => {
  await server.publish(VERSION, bundle);
  await stage();
  const fetched = () => server.asked.filter((each) => each.path === ASSET).length;
  await stage();
  assert.equal(fetched(), 1);
  await writeUpdateState(layout, withBad({ bad: [] }, VERSION, 'did not start', new Date()));
  await stage();
  assert.equal(fetched(), 2);
});

const json =
  (body: unknown, status = 200): Handler =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const stalled: Handler = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).write('[');

const feeds: readonly (readonly [name: string, handler: Handler, code: string])[] = [
  ['answers 500', json({}, 500), 'FEED_UNREACHABLE'],
  ['answers 403, as GitHub does past its limit', json({ message: 'rate limit' }, 403), 'FEED_UNREACHABLE'],
  [
    'is a web page',
    (response) => response.setHeader('content-type', 'text/html').end('<html>log in</html>'),
    'FEED_UNREADABLE',
  ],
  [
    'is cut off',
    (response) => response.writeHead(200, { 'content-length': 100 }).write('[', () => response.destroy()),
    'FEED_UNREACHABLE',
  ],
  ['is endless', (response) => endless(response), 'FEED_UNREADABLE'],
  ['is slow', stalled, 'FEED_UNREACHABLE'],
  [
    'leads elsewhere',
    (response) => response.writeHead(302, { location: 'https://evil.example/' }).end(),
    'ADDRESS_REFUSED',
  ],
  ['leads in circles', (response) => response.writeHead(302, { location: '/releases' }).end(), 'DOWNLOAD_FAILED'],
];
for (const [name, handler, code] of feeds) {
  test(`a feed that ${name} is ${code}`, async () => {
    server.answer('/releases', handler);
    await assert.rejects(fetchReleases({ feed: server.feed, msMax: name === 'is slow' ? 300 : 15_000 }), { code });
  });
}

function endless(response: Parameters<Handler>[0]): void {
  const more = (): void => {
    while (!response.destroyed && response.write(' '.repeat(256 * 1024)));
  };
  response.on('drain', more);
  more();
}

test('a feed that is down', async () => {
  const { feed } = server;
  await server[Symbol.asyncDispose]();
  await assert.rejects(fetchReleases({ feed }), { code: 'FEED_UNREACHABLE', message: /ECONNREFUSED/ });
  server = await releaseServer();
});

test('a feed may lead to another address of its own', async () => {
  await server.publish(VERSION, bundle);
  server.answer('/old', (response) => response.writeHead(301, { location: '/releases' }).end());
  const { newer } = await checkForUpdate({
    feed: `${server.base}/old`,
    running: '1.0.0',
    allowPrerelease: false,
    bad: new Set(),
  });
  assert.equal(newer?.version, VERSION);
});

test('a version that the feed does not have is named, and so are those that it has', async () => {
  await server.publish(VERSION, bundle);
  await assert.rejects(findRelease(server.feed, '3.0.0'), { code: 'VERSION_UNKNOWN', message: /it has 2\.0\.0/ });
  await assert.rejects(findRelease(server.feed, '../../etc'), { code: 'VERSION_UNKNOWN' });
  assert.equal((await findRelease(server.feed, `v${VERSION}`)).version, VERSION);
});

const bytes =
  (text: string | Buffer, headers: Record<string, string | number> = {}): Handler =>
  (response) =>
    void response.writeHead(200, { 'content-length': text.length, ...headers }).end(text);

const lies: readonly (readonly [
  name: string,
  where: string,
  handler: Handler | undefined,
  changes: object,
  code: string,
])[] = [
  ['has no checksum', `${ASSET}.sha256`, (response) => response.writeHead(404).end(), {}, 'CHECKSUM_MISSING'],
  ['has a checksum that is a web page', `${ASSET}.sha256`, bytes('<html>'), {}, 'CHECKSUM_MISSING'],
  ['has an endless checksum', `${ASSET}.sha256`, (response) => endless(response), {}, 'CHECKSUM_MISSING'],
  [
    'has the checksum of another file',
    `${ASSET}.sha256`,
    bytes(`${'0'.repeat(64)}  other.tar.gz\n`),
    {},
    'CHECKSUM_MISMATCH',
  ],
  ['does not match its checksum', `${ASSET}.sha256`, bytes(`${'0'.repeat(64)}  ${NAME}\n`), {}, 'CHECKSUM_MISMATCH'],
  ['is not there', ASSET, (response) => response.writeHead(404).end(), {}, 'DOWNLOAD_FAILED'],
  ['has another length than the feed says', ASSET, bytes('short'), {}, 'SIZE_MISMATCH'],
  ['does not say its length', ASSET, (response) => void response.writeHead(200).end('x'), {}, 'SIZE_MISMATCH'],
  ['is as long as a disk', ASSET, bytes('x', { 'content-length': 2 ** 50 }), { size: 2 ** 50 }, 'SIZE_MISMATCH'],
  ['is elsewhere', ASSET, undefined, { browser_download_url: 'https://evil.example/x' }, 'ADDRESS_REFUSED'],
  [
    'is on this machine by another protocol',
    ASSET,
    undefined,
    { browser_download_url: 'file:///etc/passwd' },
    'ADDRESS_REFUSED',
  ],
  [
    'redirects elsewhere',
    ASSET,
    (response) => response.writeHead(302, { location: 'https://evil.example/' }).end(),
    {},
    'ADDRESS_REFUSED',
  ],
];
for (const [name, where, handler, changes, code] of lies) {
  test(`a bundle that ${name} is refused with ${code}, and nothing of it stays`, async () => {
    const { size } = await stat(bundle);
    const assets = [{ name: NAME, browser_download_url: server.base + ASSET, size, ...changes }];
    await server.publish(VERSION, bundle, { assets });
    server.answer(where, handler);
    await assert.rejects(stage(), { code });
    await untouched();
  });
}

test('a download that breaks off leaves nothing', async () => {
  await server.publish(VERSION, bundle);
  const { size } = await stat(bundle);
  server.answer(ASSET, (response) => {
    response.writeHead(200, { 'content-length': size }).write('x'.repeat(1000), () => response.destroy());
  });
  await assert.rejects(stage(), { code: 'DOWNLOAD_FAILED' });
  await untouched();
});

test('a release without this platform says so, and fetches nothing', async () => {
  await server.publish(VERSION, undefined, {
    assets: [{ name: 'studio-worker-2.0.0-plan9-mips.tar.gz', browser_download_url: `${server.base}/x` }],
  });
  await assert.rejects(stage(), {
    code: 'NO_BUNDLE_FOR_PLATFORM',
    message: new RegExp(`no bundle for ${process.platform}-${process.arch}`),
  });
  assert.deepEqual(
    server.asked.map((each) => each.path),
    ['/releases'],
  );
});

/** Bytes with a right checksum that are nonetheless no bundle of ours. */
async function publishPacked(fill: (folder: string) => Promise<void>): Promise<void> {
  const folder = dir.file(`odd-${count}`);
  await mkdir(path.join(folder, 'studio-worker'), { recursive: true });
  await fill(path.join(folder, 'studio-worker'));
  const file = path.join(folder, NAME);
  await create({ file, cwd: folder, gzip: true }, ['studio-worker']);
  await server.publish(VERSION, file);
}

const odd: readonly (readonly [name: string, fill: (folder: string) => Promise<void>, why: RegExp])[] = [
  ['is empty', async () => {}, /no bundle\.json/],
  [
    'holds a link out of its folder',
    (folder) => symlink('/etc/passwd', path.join(folder, 'bundle.json')),
    /is a SymbolicLink/,
  ],
  [
    'lacks a part',
    (folder) =>
      writeFile(
        path.join(folder, 'bundle.json'),
        JSON.stringify({ version: VERSION, platform: process.platform, arch: process.arch }),
      ),
    /missing/,
  ],
  [
    'is another version',
    (folder) =>
      writeFile(
        path.join(folder, 'bundle.json'),
        JSON.stringify({ version: '9.0.0', platform: process.platform, arch: process.arch }),
      ),
    /holds version 9\.0\.0/,
  ],
  [
    'is for another machine',
    (folder) =>
      writeFile(
        path.join(folder, 'bundle.json'),
        JSON.stringify({ version: VERSION, platform: 'plan9', arch: 'mips' }),
      ),
    /is for plan9-mips/,
  ],
];
for (const [name, fill, why] of odd) {
  test(`a bundle that ${name} is refused`, async () => {
    await publishPacked(fill);
    await assert.rejects(stage(), { code: 'BUNDLE_BROKEN', message: why });
    await untouched();
  });
}

test('a bundle that is no archive is refused', async () => {
  await mkdir(dir.file(`junk-${count}`));
  const file = path.join(dir.file(`junk-${count}`), NAME);
  await writeFile(file, 'PK\u0003\u0004 but not really'.repeat(1000));
  await server.publish(VERSION, file);
  await assert.rejects(stage(), { code: 'BUNDLE_BROKEN' });
  await untouched();
});

test('two updaters at one time: the second says so', async () => {
  await server.publish(VERSION, bundle);
  await using _first = await takeInstallLock(layout);
  await assert.rejects(stage(), { code: 'UPDATE_UNDER_WAY' });
});

test('an installation that cannot be written is told, with what to do', {
  skip: process.getuid?.() === 0 && 'root may write everywhere',
}, async () => {
  await server.publish(VERSION, bundle);
  await mkdir(layout.versions, { recursive: true });
  await chmod(layout.versions, 0o555);
  await assert.rejects(stage(), { code: 'INSTALL_UNWRITABLE', message: /EACCES.*auto_update_enabled/ });
});

test('an installation below a file cannot be made', async () => {
  await server.publish(VERSION, bundle);
  await writeFile(dir.file('a-file'), '');
  layout = layoutOf(path.join(dir.file('a-file'), 'root'));
  await assert.rejects(stage(), { code: 'INSTALL_UNWRITABLE', message: /ENOTDIR/ });
});

/** A disk of 1 MiB as the installation. Undefined where this process may not mount one. */
async function smallDisk(): Promise<AsyncDisposable | undefined> {
  await mkdir(layout.root, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', layout.root], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const { root } = layout;
  return { [Symbol.asyncDispose]: async () => void execFileSync('umount', ['-l', root]) };
}

test('a disk without room for the download is told before it begins', async (t) => {
  await using disk = await smallDisk();
  if (disk === undefined) return t.skip('a small disk cannot be mounted here');
  await publishPacked((folder) => writeFile(path.join(folder, 'noise'), randomBytes(500_000)));
  await assert.rejects(stage(), { code: 'DISK_FULL', message: /make room/ });
  await untouched();
});

test('a disk that fills up while unpacking is told, and nothing of it stays', async (t) => {
  await using disk = await smallDisk();
  if (disk === undefined) return t.skip('a small disk cannot be mounted here');
  // Packed it is a thousandth of this.
  await publishPacked((folder) => writeFile(path.join(folder, 'zeros'), Buffer.alloc(4_000_000)));
  await assert.rejects(stage(), { code: 'DISK_FULL', message: /free some space/ });
  await untouched();
});

test('an installation on a read-only disk is told, and the version that runs stays', async (t) => {
  await using disk = await smallDisk();
  if (disk === undefined) return t.skip('a small disk cannot be mounted here');
  await server.publish(VERSION, bundle);
  await mkdir(layout.versions);
  execFileSync('mount', ['-o', 'remount,ro', layout.root]);
  await assert.rejects(stage(), { code: 'INSTALL_UNWRITABLE', message: /EROFS.*auto_update_enabled/ });
});
