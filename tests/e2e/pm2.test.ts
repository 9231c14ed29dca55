// The development loop of docs/operations/dev-loop.md under the real pm2, on a copy of the sources: a changed file restarts
// the dev worker, leaves the job of the stable one alone, and stopping leaves no process behind.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gone, isAlive } from './gone.ts';
import { openScene, testJob } from './scene.ts';
import { makeConfigDir, WITH_TEST_ENGINE } from './worker-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['bin', 'src', 'scripts', 'package.json', 'tsconfig.base.json', 'ecosystem.config.cjs'];
const ENGINE = WITH_TEST_ENGINE.replace(/run_stall_secs.*/, 'run_stall_secs = 100');

/** Asks until there is an answer: pm2 and the files of its workers have no events for this. */
async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 100_000;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(100);
  }
  throw new Error(`did not happen: ${what}`);
}

type Listed = { name: string; pid: number; pm2_env: { status: string; restart_time: number } };

test('pm2 runs a worker that follows the sources beside one that does not', {
  timeout: 900_000,
  skip: process.platform === 'win32' && 'stops by signals',
}, async () => {
  await using scene = await openScene();
  const clone = await mkdtemp(join(tmpdir(), 'studio-worker-clone-'));
  const dirs = {
    dev: await makeConfigDir(scene.url, 'label = "dev"\nauto_enabled = false', ENGINE),
    stable: await makeConfigDir(scene.url, 'label = "stable"', ENGINE),
  };
  const env = {
    ...process.env,
    PM2_HOME: join(clone, '.pm2'),
    PM2_DISABLE_VERSION_CHECK: 'true',
    STUDIO_WORKER_DEV_CONFIG: join(dirs.dev, 'config.toml'),
    STUDIO_WORKER_STABLE_CONFIG: join(dirs.stable, 'config.toml'),
  };
  const run = (script: string, ...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [script, ...args], { cwd: clone, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${script} ${args.join(' ')}: ${stdout}${stderr}`)),
      );
    });
  const pm2 = (...args: string[]) => run(join(ROOT, 'node_modules/pm2/bin/pm2'), ...args);
  const pidOf = (dir: string): Promise<number | undefined> =>
    readFile(join(dir, 'daemon.pid'), 'utf8').then(
      (text) => Number(text) || undefined,
      () => undefined,
    );

  let daemon: number | undefined;
  try {
    for (const part of COPIED) await cp(join(ROOT, part), join(clone, part), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
    await run('scripts/build-stable.ts');

    await pm2('start', 'ecosystem.config.cjs');
    daemon = Number(await readFile(join(env.PM2_HOME, 'pm2.pid'), 'utf8'));
    await scene.approveNext();
    await scene.approveNext();
    const welcomed = async (label: string) =>
      (await scene.operator.workers()).find((worker) => worker.online && worker.label === label);
    await eventually('both workers have a session', async () => (await welcomed('dev')) && (await welcomed('stable')));

    const gate = join(clone, 'gate');
    const pidFile = join(clone, 'engine.pid');
    const { id } = await scene.operator.createJob(testJob('image', { ms: 10, steps: 2, gate, pidFile }));
    await scene.untilJob(id, (job) => job.progress !== undefined);
    const before = { dev: await pidOf(dirs.dev), stable: await pidOf(dirs.stable) };
    assert.ok(before.dev !== undefined && before.stable !== undefined);

    await appendFile(join(clone, 'src/main.ts'), '\n// Changed while both work.\n');
    const dev = await eventually('the dev worker is another one', async () => {
      const pid = await pidOf(dirs.dev);
      return pid === undefined || pid === before.dev ? undefined : pid;
    });
    await gone(before.dev);
    assert.equal(await pidOf(dirs.stable), before.stable);

    const list = JSON.parse(await pm2('jlist')) as Listed[];
    const watcher = list.find(({ name }) => name === 'studio-worker-dev')?.pid;
    assert.ok(watcher !== undefined && watcher !== dev);
    assert.deepEqual(list.map(({ name, pm2_env }) => [name, pm2_env.status, pm2_env.restart_time]).sort(), [
      ['studio-worker-dev', 'online', 0],
      ['studio-worker-stable', 'online', 0],
    ]);

    // The running job is let end, also by a stop.
    const stopped = pm2('stop', 'all');
    await appendFile(gate, '');
    await stopped;
    const job = await scene.ended(id);
    assert.equal(job.status, 'done');
    const engine = Number(await readFile(pidFile, 'utf8'));
    for (const pid of [before.stable, dev, watcher, engine]) await gone(pid);

    // A watcher that is killed cannot tell its worker, which notices by itself.
    await pm2('restart', 'studio-worker-dev');
    const orphan = await eventually('the dev worker is up again', async () => {
      const pid = await pidOf(dirs.dev);
      return pid !== undefined && pid !== dev && isAlive(pid) ? pid : undefined;
    });
    const again = (JSON.parse(await pm2('jlist')) as Listed[]).find(({ name }) => name === 'studio-worker-dev')?.pid;
    assert.ok(again !== undefined && again > 0 && again !== orphan);
    process.kill(again, 'SIGKILL');
    await gone(orphan);
  } finally {
    await pm2('kill').catch(() => undefined);
    if (daemon !== undefined && isAlive(daemon)) process.kill(daemon, 'SIGKILL');
    for (const dir of [clone, dirs.dev, dirs.stable]) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});
