// What happens to an installation: trials that go well and badly, starts on probation, going back, and power cuts at
// every step. Launcher, launch script and bundles are real; the versions are a few lines that play good and bad ones.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { adoptVersion } from '../../../src/supervisor/update/adopt.ts';
import { findRelease } from '../../../src/supervisor/update/check.ts';
import { flipPointer, readPointer } from '../../../src/supervisor/update/durable.ts';
import { holdVersion } from '../../../src/supervisor/update/install-lock.ts';
import { launchTrial } from '../../../src/supervisor/update/launcher.ts';
import { programOf } from '../../../src/supervisor/update/layout.ts';
import { removeOldVersions } from '../../../src/supervisor/update/repair.ts';
import { stageRelease } from '../../../src/supervisor/update/stage.ts';
import { goBack, switchTo } from '../../../src/supervisor/update/switch-version.ts';
import { readProbation, readUpdateState } from '../../../src/supervisor/update/update-state.ts';
import { CRASHES_LATER, HEALTHY, type Installation, install, packBundle, writeBundle } from './installation.ts';
import { type ReleaseServer, releaseServer } from './release-server.ts';

const OLD = '1.0.0';
const NEW = '1.1.0';
const posix = { skip: process.platform === 'win32' && 'bundles of these tests have a shell script for a Node' };

async function withVersions(newMain: string, node?: string): Promise<Installation> {
  const installation = await install({ version: OLD, main: HEALTHY });
  const folder = path.join(installation.layout.versions, NEW);
  await writeBundle(folder, { version: NEW, main: newMain, ...(node !== undefined && { node }) });
  return installation;
}

function tryNew({ layout }: Installation, said: string[], options: { trialMsMax?: number; stop?: AbortSignal } = {}) {
  return launchTrial(NEW, {
    layout,
    own: OLD,
    args: ['run', '--config', 'x'],
    interrupted: options.stop ?? new AbortController().signal,
    say: (text) => said.push(text),
    trialMsMax: options.trialMsMax ?? 60_000,
  });
}

test('a healthy version takes over, and starts in earnest on probation', posix, async () => {
  await using installation = await withVersions(HEALTHY);
  const { layout } = installation;
  const target = await tryNew(installation, []);
  const { node, bin } = programOf(path.join(layout.versions, NEW));
  assert.deepEqual(target, { file: node, args: [bin, 'run', '--config', 'x'] });
  assert.equal(await readPointer(layout.root, 'current'), NEW);
  assert.equal(await readPointer(layout.root, 'previous'), OLD);
  assert.deepEqual(await readProbation(layout), { version: NEW, starts: 1 });
  assert.deepEqual(await readUpdateState(layout), { bad: [] });
  // Other commands than `run` prove nothing, so they do not count as starts; and they work.
  assert.match((await installation.command(['status'])).stdout, /^1\.1\.0 \d+ status\n$/);
  assert.deepEqual(await readProbation(layout), { version: NEW, starts: 1 });
  assert.deepEqual(await installation.leftovers(), []);
});

const broken: readonly (readonly [name: string, main: string, node: string | undefined, why: RegExp])[] = [
  ['ends with an error', 'export const main = async () => 3;', undefined, /exit code 3/],
  ['cannot even be loaded', 'this is no JavaScript', undefined, /exit code 1/],
  ['has no working Node', HEALTHY, 'not a program', /exit code 127|cannot be started/],
  ['kills itself', "export const main = () => process.kill(process.pid, 'SIGSEGV');", undefined, /SIGSEGV/],
  [
    'hangs',
    'export const main = () => new Promise(() => setInterval(() => {}, 1e6));',
    undefined,
    /not healthy within 1 s/,
  ],
  [
    'hangs and does not listen',
    "process.on('SIGTERM', () => {}); export const main = () => { for (;;); };",
    undefined,
    /not healthy within 1 s/,
  ],
  [
    'claims to be another version',
    HEALTHY.replace('JSON.stringify({ version,', "JSON.stringify({ version: '9.9.9',"),
    undefined,
    /says that it is version 9\.9\.9/,
  ],
];
for (const [name, main, node, why] of broken) {
  test(`a version that ${name} is left, remembered, and the old one goes on`, posix, async () => {
    await using installation = await withVersions(main, node);
    const { layout } = installation;
    const said: string[] = [];
    const target = await tryNew(installation, said, name.startsWith('hangs') ? { trialMsMax: 1_000 } : {});
    assert.equal(target?.file, programOf(path.join(layout.versions, OLD)).node);
    assert.equal(await readPointer(layout.root, 'current'), OLD);
    const { bad, trial } = await readUpdateState(layout);
    assert.deepEqual([bad.map(({ version }) => version), trial], [[NEW], undefined]);
    assert.match(bad[0]?.why ?? '', why);
    assert.match(said.at(-1) ?? '', /1\.1\.0 is not healthy.*1\.0\.0 goes on/);
    assert.match((await installation.command(['run'])).stdout, /^1\.0\.0 \d+ run\n$/);
    assert.deepEqual(await installation.leftovers(), []);
  });
}

test('a version that cannot reach the studio gets three trials', posix, async () => {
  const shy = HEALTHY.replace('healthy: true', "healthy: false, excused: true, why: 'no studio'");
  await using installation = await withVersions(shy);
  for (const attempts of [1, 2]) {
    await tryNew(installation, []);
    assert.deepEqual(await readUpdateState(installation.layout), { trial: { version: NEW, attempts }, bad: [] });
  }
  await tryNew(installation, []);
  const { bad } = await readUpdateState(installation.layout);
  assert.match(bad[0]?.why ?? '', /not healthy in 3 trials: no studio/);
});

test('a trial that is interrupted holds nothing against the version', posix, async () => {
  await using installation = await withVersions(
    'export const main = () => new Promise(() => setInterval(() => {}, 1e6));',
  );
  const target = await tryNew(installation, [], { stop: AbortSignal.timeout(300) });
  assert.equal(target, undefined);
  assert.deepEqual(await readUpdateState(installation.layout), { bad: [] });
  assert.equal(await readPointer(installation.layout.root, 'current'), OLD);
});

test('a version that crashes in earnest is left after three starts', posix, async () => {
  await using installation = await withVersions(CRASHES_LATER);
  const { layout } = installation;
  // The first of them belongs to the trial that went well: the process becomes the new version.
  await tryNew(installation, []);
  for (const starts of [2, 3]) {
    assert.equal((await installation.command(['run'])).code, 1);
    assert.deepEqual(await readProbation(layout), { version: NEW, starts });
  }
  const last = await installation.command(['run']);
  assert.match(last.stdout, /^1\.0\.0 \d+ run\n$/);
  assert.match(last.stderr, /1\.1\.0 did not become healthy in 3 starts, going back to 1\.0\.0/);
  assert.equal(await readProbation(layout), undefined);
  assert.deepEqual(
    (await readUpdateState(layout)).bad.map(({ version }) => version),
    [NEW],
  );
});

test('the command starts something even when the current version is gone', posix, async () => {
  await using installation = await withVersions(HEALTHY);
  const { layout } = installation;
  await switchTo(layout, NEW, OLD);
  await rm(layout.probation);
  await rename(path.join(layout.versions, NEW), path.join(installation.scratch, 'gone'));
  assert.match((await installation.command(['status'])).stdout, /^1\.0\.0 /);
});

test('rollback goes back, and does not go back twice', posix, async () => {
  await using installation = await install({ version: OLD });
  const { layout } = installation;
  const nothing = await installation.command(['rollback']);
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /no previous version to go back to/);
  await writeBundle(path.join(layout.versions, NEW), { version: NEW });
  await switchTo(layout, NEW, OLD);
  await rm(layout.probation);
  const done = await installation.command(['rollback']);
  assert.equal(done.stdout, 'went back from 1.1.0 to 1.0.0; 1.1.0 is not installed again by itself\n');
  assert.equal((await installation.command(['--version'])).stdout, 'studio-worker 1.0.0\n');
  assert.equal((await installation.command(['rollback'])).code, 1);
});

test('there is no going back to a version that is gone', posix, async () => {
  await using installation = await withVersions(HEALTHY);
  const { layout } = installation;
  await switchTo(layout, NEW, OLD);
  await rm(path.join(layout.versions, OLD), { recursive: true });
  await assert.rejects(goBack(layout, 'x'), { code: 'NOTHING_TO_GO_BACK_TO' });
  assert.equal(await readPointer(layout.root, 'current'), NEW);
});

test('old versions go, but not those that somebody needs', posix, async () => {
  await using installation = await install({ version: '1.0.0', main: HEALTHY });
  const { layout } = installation;
  for (const version of ['0.9.0', '1.1.0', '1.2.0', '1.3.0']) {
    await writeBundle(path.join(layout.versions, version), { version, main: HEALTHY });
  }
  await writeFile(path.join(layout.versions, 'notes.txt'), 'of the operator');
  await switchTo(layout, '1.3.0', '1.2.0');
  const held = await holdVersion(path.join(layout.versions, '1.0.0'));
  assert.deepEqual((await removeOldVersions(layout)).sort(), ['0.9.0', '1.1.0']);
  await held?.[Symbol.asyncDispose]();
  assert.deepEqual(await removeOldVersions(layout), ['1.0.0']);
  assert.deepEqual((await readdir(layout.versions)).sort(), ['1.2.0', '1.3.0', 'notes.txt']);
  // Installing over it by hand: what was rolled back before is taken again when somebody chooses it.
  await writeBundle(path.join(layout.versions, '1.4.0'), { version: '1.4.0', main: HEALTHY });
  await adoptVersion(layout, '1.4.0');
  assert.equal(await readPointer(layout.root, 'previous'), '1.3.0');
  assert.equal(await readProbation(layout), undefined);
});

/** Of staging, of the trial, of the switch, and of the first start in earnest. */
const STEPS = [
  ...['lock', 'clear', 'download', 'unpack', 'place', 'remove-download', 'staged'],
  ...['count', 'try', 'judge', 'probation', 'previous', 'current', 'state'],
  'count',
];

// Not in a suite of their own: its time would be that of all of them together.
let shared: Promise<{ server: ReleaseServer; installation: Installation }> | undefined;

function beforeTheCut() {
  shared ??= (async () => {
    const server = await releaseServer();
    const installation = await install({ version: OLD, main: HEALTHY });
    await server.publish(NEW, await packBundle(installation.scratch, { version: NEW, main: HEALTHY }));
    return { server, installation };
  })();
  return shared;
}
after(async () => {
  const { server, installation } = (await shared) ?? {};
  await installation?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

for (const [step, name] of STEPS.entries()) {
  test(
    `a power cut before step ${step}, ${name}, leaves a whole version, and the next update succeeds`,
    posix,
    async () => {
      const { server, installation } = await beforeTheCut();
      const { layout } = installation;
      assert.equal(await cutOff(layout.root, server.feed, step), name);
      const after = await installation.command(['status']);
      assert.match(after.stdout, /^1\.[01]\.0 \d+ status\n$/, after.stderr);
      if (after.stdout.startsWith(OLD)) {
        const release = await findRelease(server.feed, NEW);
        await stageRelease({ layout, release, variant: 'plain', feed: server.feed });
        await tryNew(installation, []);
      }
      assert.equal(await readPointer(layout.root, 'current'), NEW);
      assert.deepEqual(await installation.leftovers(), []);
      // As before the update, for the next one.
      await flipPointer(layout.root, 'current', OLD);
      for (const each of ['previous', 'probation', 'update.json', `versions/${NEW}`]) {
        await rm(path.join(layout.root, each), { recursive: true, force: true });
      }
    },
  );
}

test('a power cut after the last step changes nothing', posix, async () => {
  const { server, installation } = await beforeTheCut();
  assert.equal(await cutOff(installation.layout.root, server.feed, STEPS.length), undefined);
  assert.match((await installation.command(['run'])).stdout, /^1\.1\.0 /);
});

test(
  'a power cut in the middle of a download leaves the old version, and the next update succeeds',
  posix,
  async () => {
    await using server = await releaseServer();
    await using installation = await install({ version: OLD, main: HEALTHY });
    const { layout } = installation;
    const bundle = await packBundle(installation.scratch, { version: NEW, main: HEALTHY });
    await server.publish(NEW, bundle);
    const asset = `/${NEW}/${path.basename(bundle)}`;
    const halfway = new Promise<void>((resolve) => {
      server.answer(asset, (response, request) => {
        response.writeHead(200, { 'content-length': 10_000_000 }).write('x'.repeat(100_000));
        request.socket.on('close', () => {});
        resolve();
      });
    });
    // The size that the feed names would be noticed first.
    await server.publish('1.0.5', undefined, {
      tag_name: `v${NEW}`,
      assets: [{ name: path.basename(bundle), browser_download_url: server.base + asset }],
    });
    const child = execFile(process.execPath, [CUT_OFF, layout.root, server.feed, NEW, OLD, '1000']);
    await halfway;
    while (!existsSync(path.join(layout.downloads, path.basename(bundle)))) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.notDeepEqual(await installation.leftovers(), []);
    assert.match((await installation.command(['run'])).stdout, /^1\.0\.0 /);
    server.answer(asset, undefined);
    assert.equal(await cutOff(layout.root, server.feed, 1_000), undefined);
    assert.match((await installation.command(['run'])).stdout, /^1\.1\.0 /);
    assert.deepEqual(await installation.leftovers(), []);
  },
);

test('a version on trial ends with the launcher that is killed', posix, async () => {
  await using server = await releaseServer();
  await using installation = await install({ version: OLD, main: HEALTHY });
  const { layout, scratch } = installation;
  const pidFile = path.join(scratch, 'pid');
  const main = `
    import { renameSync, writeFileSync } from 'node:fs';
    export const main = () => new Promise(() => {
      setInterval(() => {}, 1e6);
      writeFileSync(${JSON.stringify(`${pidFile}.new`)}, String(process.pid));
      renameSync(${JSON.stringify(`${pidFile}.new`)}, ${JSON.stringify(pidFile)});
    });`;
  await server.publish(NEW, await packBundle(scratch, { version: NEW, main }));
  const child = execFile(process.execPath, [CUT_OFF, layout.root, server.feed, NEW, OLD, '1000']);
  while (!existsSync(pidFile)) await new Promise(setImmediate);
  const pid = Number(await readFile(pidFile, 'utf8'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  while (isAlive(pid)) await new Promise(setImmediate);
  assert.match((await installation.command(['run'])).stdout, /^1\.0\.0 /);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const CUT_OFF = fileURLToPath(new URL('./cut-off.ts', import.meta.url));

/** The name of the step before which it was cut off; undefined when it went through. */
function cutOff(root: string, feed: string, step: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CUT_OFF, root, feed, NEW, OLD, String(step)], (error, stdout, stderr) => {
      if (error === null) return resolve(undefined);
      if (error.signal === 'SIGKILL') resolve(stdout);
      else reject(new Error(stderr, { cause: error }));
    });
  });
}
