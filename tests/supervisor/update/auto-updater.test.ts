// The automatic updater over time, with a real feed and a real installation around it; only the worker is played.
import assert from 'node:assert/strict';
import { readlink, symlink, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openAdmissionHold } from '../../../src/supervisor/admission-hold.ts';
import { keepUpToDate, type UpdaterOptions } from '../../../src/supervisor/update/auto-updater.ts';
import { flipPointer } from '../../../src/supervisor/update/durable.ts';
import { type InstallKind, installKind } from '../../../src/supervisor/update/install-kind.ts';
import { takeInstallLock } from '../../../src/supervisor/update/install-lock.ts';
import { programOf, versionFolder } from '../../../src/supervisor/update/layout.ts';
import type { Relaunch } from '../../../src/supervisor/update/relaunch.ts';
import { withBad, writeUpdateState } from '../../../src/supervisor/update/update-state.ts';
import { Happenings } from '../../e2e/until.ts';
import { HEALTHY, type Installation, install, packBundle, writeBundle } from './installation.ts';
import { type ReleaseServer, releaseServer } from './release-server.ts';

const posix = { skip: process.platform === 'win32' && 'bundles of these tests have a shell script for a Node' };

type Said = { readonly level: string; readonly msg: string; readonly [field: string]: unknown };

/** The updater with a worker that is busy while `jobs` is above 0. */
function start(feed: string, kind: InstallKind, changes: Partial<ReturnType<UpdaterOptions['config']>> = {}) {
  const said = new Happenings<Said>();
  const restarts = new Happenings<Relaunch>();
  const hold = openAdmissionHold();
  const jobs = { count: 0, ended: new EventTarget() };
  const over = new AbortController();
  const log =
    (level: string) =>
    (_category: string, msg: string, fields: object = {}): void =>
      said.push({ level, msg, ...fields });
  const done = keepUpToDate({
    install: kind,
    running: '1.0.0',
    config: () => ({
      autoUpdateEnabled: true,
      // Of a second only here: the configuration allows nothing below 60.
      autoUpdateIntervalSecs: 0.05,
      autoUpdateFeed: feed,
      autoUpdatePrerelease: false,
      ...changes,
    }),
    host: {
      busy: () => jobs.count > 0,
      stopAdmission: hold.hold,
      idle: () =>
        jobs.count === 0
          ? Promise.resolve()
          : new Promise((resolve) => jobs.ended.addEventListener('end', () => resolve(), { once: true })),
      restart: (target) => restarts.push(target),
    },
    logs: { debug: log('debug'), info: log('info'), warn: log('warn') },
    args: ['run', '--config', 'x'],
    signal: over.signal,
    times: { lookMs: 20, tickMs: 20, drainMsMax: 200 },
  });
  return {
    said,
    restarts,
    hold,
    jobs,
    until: (msg: string, from = 0) => said.until(msg, (each) => each.msg === msg, from),
    async [Symbol.asyncDispose]() {
      over.abort();
      await done;
    },
  };
}

async function managed(installation: Installation): Promise<InstallKind> {
  const kind = installKind(versionFolder(installation.layout, '1.0.0'));
  assert.equal(kind.kind, 'managed');
  return kind;
}

async function rig(): Promise<
  AsyncDisposable & { server: ReleaseServer; installation: Installation; kind: InstallKind }
> {
  const server = await releaseServer();
  const installation = await install({ version: '1.0.0', main: HEALTHY });
  return {
    server,
    installation,
    kind: await managed(installation),
    async [Symbol.asyncDispose]() {
      await installation[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('a newer version is staged, no job is taken any more, and the launcher is asked for', posix, async () => {
  await using all = await rig();
  await all.server.publish('1.1.0', await packBundle(all.installation.scratch, { version: '1.1.0', main: HEALTHY }));
  await using updater = start(all.server.feed, all.kind);
  const restart = await updater.restarts.until('a restart', () => true);
  const { node, launcher } = programOf(versionFolder(all.installation.layout, '1.0.0'));
  assert.deepEqual(restart, { file: node, args: [launcher, 'try', '1.1.0', '--', 'run', '--config', 'x'] });
  assert.ok(updater.hold.held, 'the next job belongs to the next process');
  assert.deepEqual(await all.installation.leftovers(), []);
});

test('nothing is fetched while jobs run, and all the more once they have ended', posix, async () => {
  await using all = await rig();
  await all.server.publish('1.1.0', await packBundle(all.installation.scratch, { version: '1.1.0', main: HEALTHY }));
  await using updater = start(all.server.feed, all.kind);
  updater.jobs.count = 1;
  await updater.until('jobs run, the update waits');
  await updater.until('jobs run, the update waits', updater.said.all.length);
  assert.deepEqual(all.server.asked, []);
  updater.jobs.count = 0;
  await updater.restarts.until('a restart', () => true);
});

test('a feed that fails is a warning each time, and the next check is made all the same', posix, async () => {
  await using all = await rig();
  all.server.answer('/releases', (response) => response.writeHead(500).end());
  await using updater = start(all.server.feed, all.kind);
  const told = await updater.until('the release feed could not be read');
  assert.deepEqual([told.level, told.why], ['warn', 'the release feed cannot be had: its server answers 500']);
  all.server.answer('/releases', undefined);
  await updater.until('up to date', updater.said.all.length);
});

test('a release without this platform is a warning, and the worker goes on', posix, async () => {
  await using all = await rig();
  await all.server.publish('1.1.0');
  await using updater = start(all.server.feed, all.kind);
  const told = await updater.until('the update could not be installed, this version goes on');
  assert.match(String(told.why), /release 1\.1\.0 has no bundle for/);
  assert.equal(updater.hold.held, false);
});

test('a version that is remembered as bad is not taken, a newer one is', posix, async () => {
  await using all = await rig();
  await all.server.publish('1.1.0', await packBundle(all.installation.scratch, { version: '1.1.0', main: HEALTHY }));
  await writeUpdateState(all.installation.layout, withBad({ bad: [] }, '1.1.0', 'broken', new Date()));
  await using updater = start(all.server.feed, all.kind);
  await updater.until('up to date');
  await all.server.publish('1.1.1', await packBundle(all.installation.scratch, { version: '1.1.1', main: HEALTHY }));
  const restart = await updater.restarts.until('a restart', () => true);
  assert.ok(restart.args.includes('1.1.1'));
});

test('jobs that do not end in time put a restart off, and jobs are taken again', posix, async () => {
  await using all = await rig();
  const { layout } = all.installation;
  await writeBundle(versionFolder(layout, '1.1.0'), { version: '1.1.0', main: HEALTHY });
  await using updater = start(all.server.feed, all.kind);
  updater.jobs.count = 1;
  await writeUpdateState(layout, { wanted: '1.1.0', bad: [] });
  await updater.until('another version is there, no new job is taken until it runs');
  assert.ok(updater.hold.held);
  await updater.until('jobs run for too long, the restart is put off');
  assert.equal(updater.hold.held, false);
  updater.jobs.count = 0;
  await updater.restarts.until('a restart', () => true);
});

test('a version that somebody else has made the current one is started', posix, async () => {
  await using all = await rig();
  const { layout } = all.installation;
  await writeBundle(versionFolder(layout, '1.1.0'), { version: '1.1.0', main: HEALTHY });
  await using updater = start(all.server.feed, all.kind);
  await flipPointer(layout.root, 'current', '1.1.0');
  const { launcher } = programOf(versionFolder(layout, '1.0.0'));
  const restart = await updater.restarts.until('a restart', () => true);
  assert.deepEqual(restart.args, [launcher, 'start', '--', 'run', '--config', 'x']);
});

test('a pointer to nothing is nobody’s wish', posix, async () => {
  await using all = await rig();
  const { root } = all.installation.layout;
  await using updater = start(all.server.feed, all.kind);
  const before = await readlink(path.join(root, 'current'));
  await unlink(path.join(root, 'current'));
  await symlink('versions/7.0.0', path.join(root, 'current'));
  await updater.until('up to date', updater.said.all.length);
  await updater.until('up to date', updater.said.all.length);
  assert.equal(updater.restarts.all.length, 0);
  assert.equal(before, path.posix.join('versions', '1.0.0'));
});

test('an installation that cannot be changed keeps its version, and its jobs', posix, async () => {
  await using all = await rig();
  const { layout } = all.installation;
  await writeBundle(versionFolder(layout, '1.1.0'), { version: '1.1.0', main: HEALTHY });
  await flipPointer(layout.root, 'current', '1.1.0');
  const other = await takeInstallLock(layout);
  await using updater = start(all.server.feed, all.kind, { autoUpdateEnabled: false });
  const told = await updater.until('the installation cannot be changed, this version goes on');
  assert.match(String(told.why), /another process is updating/);
  assert.equal(updater.hold.held, false);
  assert.equal(updater.restarts.all.length, 0);
  await other[Symbol.asyncDispose]();
  await updater.restarts.until('a restart', () => true);
});

test('a state that names something else than versions is no wish', posix, async () => {
  await using all = await rig();
  const { layout } = all.installation;
  await writeFile(layout.state, JSON.stringify({ wanted: '../scratch', bad: [] }));
  await writeBundle(path.join(layout.root, 'scratch'), { version: '1.1.0', main: HEALTHY });
  await using updater = start(all.server.feed, all.kind);
  await updater.until('up to date');
  assert.equal(updater.restarts.all.length, 0);
});

test('switched off, nothing is asked; but what an operator wants is taken', posix, async () => {
  await using all = await rig();
  const { layout } = all.installation;
  await writeBundle(versionFolder(layout, '0.9.0'), { version: '0.9.0', main: HEALTHY });
  await using updater = start(all.server.feed, all.kind, { autoUpdateEnabled: false });
  await writeUpdateState(layout, { wanted: '0.9.0', bad: [] });
  await updater.restarts.until('a restart', () => true);
  assert.deepEqual(all.server.asked, []);
});

test('a clone is told once of a new version, with how to get it', async () => {
  await using server = await releaseServer();
  await server.publish('1.1.0');
  await using updater = start(server.feed, installKind(path.join(import.meta.dirname, '../../..')));
  const told = await updater.until('update available');
  assert.match(String(told.how), /git pull/);
  const asked = server.asked.length;
  while (server.asked.length < asked + 3) await new Promise(setImmediate);
  assert.equal(updater.said.all.filter(({ msg }) => msg === 'update available').length, 1);
  assert.equal(updater.restarts.all.length, 0);
});
