// The service under a real systemd: it comes up, says how it is, comes back after a crash and a hang, stays down when the
// studio refuses it, and stops without losing a job. One manager for all of it, in the order of a service's life.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openScene, testJob } from '../../e2e/scene.ts';
import { WITH_TEST_ENGINE } from '../../e2e/worker-process.ts';
import { BIN } from '../cli/run-cli.ts';
import { noUserManager, openUserManager, type UserManager } from './user-manager.ts';

async function writeConfig(manager: UserManager, studio: string): Promise<void> {
  const dir = path.join(manager.home, '.config/minis-studio-worker');
  await mkdir(dir, { recursive: true });
  await writeFile(
    path.join(dir, 'config.toml'),
    `api_base_url = "${studio}"\nregistration_poll_secs = 1\nonly_engines = ["test"]\n${WITH_TEST_ENGINE.replace(/run_stall_secs.*/, 'run_stall_secs = 60')}`,
  );
}

test('a service lives and dies as its unit says', { skip: noUserManager, timeout: 900_000 }, async (t) => {
  await using scene = await openScene();
  await using manager = await openUserManager();
  await writeConfig(manager, scene.url);
  const unit = path.join(manager.home, '.config/systemd/user/minis-studio-worker.service');

  // What an operator's own drop-in may change; here it makes the test short.
  await mkdir(`${unit}.d`, { recursive: true });
  await writeFile(path.join(`${unit}.d`, 'quick.conf'), '[Service]\nWatchdogSec=12\nRestartSec=100ms\n');

  await t.test('it is installed and started by one command, and says that it waits to be let in', async () => {
    const { code, stdout, stderr } = await manager.cli('install-service', '--now');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^wrote .*minis-studio-worker\.service\nthe worker runs, and starts by itself from now on\n/);
    assert.match(stdout, /loginctl enable-linger/);
    assert.equal(await manager.property('ActiveState'), 'active');
    await manager.untilProperty('StatusText', /waiting for an operator/);
  });

  await t.test('it is connected once it was approved', async () => {
    await scene.approveNext();
    await manager.untilProperty('StatusText', 'connected to the studio');
  });

  await t.test('installing it again changes nothing', async () => {
    const pid = await manager.property('MainPID');
    const { code, stdout } = await manager.cli('install-service', '--now');
    assert.equal(code, 0);
    assert.match(stdout, /^already there: /);
    assert.equal(await manager.property('MainPID'), pid);
  });

  await t.test('killed with -9 it comes back', async () => {
    const pid = await manager.property('MainPID');
    await manager.run('kill', ['-9', pid]);
    await manager.untilProperty('MainPID', new RegExp(`^(?!0$|${pid}$)\\d+$`));
    await manager.untilProperty('StatusText', 'connected to the studio');
  });

  await t.test('one that hangs is replaced by the watchdog, and one that works is not', async () => {
    const pid = await manager.property('MainPID');
    const first = await manager.property('WatchdogTimestampMonotonic');
    // Two signs of life that systemd has heard.
    const second = await manager.untilProperty('WatchdogTimestampMonotonic', new RegExp(`^(?!${first}$)`));
    await manager.untilProperty('WatchdogTimestampMonotonic', new RegExp(`^(?!${second}$)`));
    assert.equal(await manager.property('MainPID'), pid);
    await manager.run('kill', ['-STOP', pid]);
    await manager.untilProperty('MainPID', new RegExp(`^(?!0$|${pid}$)\\d+$`));
    await manager.untilProperty('StatusText', 'connected to the studio');
  });

  await t.test('stopping it lets the running job end', async () => {
    const gate = path.join(manager.home, 'gate');
    const { id } = await scene.operator.createJob(testJob('image', { ms: 50, steps: 2, gate }));
    await scene.untilJob(id, (job) => job.progress !== undefined);
    const stopped = manager.run('systemctl', ['--user', 'stop', 'minis-studio-worker.service']);
    await manager.untilProperty('ActiveState', 'deactivating');
    await manager.untilProperty('StatusText', 'stopping');
    await writeFile(gate, '');
    assert.equal((await stopped).code, 0);
    assert.equal(await manager.property('Result'), 'success');
    assert.equal((await scene.ended(id)).status, 'done');
  });

  await t.test('a worker that the studio has deleted is not started again and again', async () => {
    await manager.run('systemctl', ['--user', 'start', 'minis-studio-worker.service']);
    await manager.untilProperty('StatusText', 'connected to the studio');
    await manager.run('systemctl', ['--user', 'stop', 'minis-studio-worker.service']);
    for (const { id } of await scene.operator.workers()) await scene.operator.deleteWorker(id);
    await manager.run('systemctl', ['--user', 'start', 'minis-studio-worker.service']);
    await manager.untilProperty('ActiveState', 'failed');
    assert.equal(await manager.property('ExecMainStatus'), '77');
    assert.equal(await manager.property('NRestarts'), '0');
  });

  await t.test('setup leaves the service alone, and says where to approve the worker', async () => {
    await manager.cli('register', '--reset');
    const { code, stdout, stderr } = await manager.cli('setup');
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^service: ${unit}$`, 'm'));
    assert.match(stdout, new RegExp(`^approve it in the studio: machine \\S+ at ${scene.url}/graphics$`, 'm'));
    assert.match(stdout, /^local programs find it through .*\/local-api\.json$/m);
    const pid = await manager.property('MainPID');
    assert.match(stdout, /^worker: runs \(pid \d+\)$/m);
    assert.match((await manager.cli('setup')).stdout, /^worker: already ran \(pid \d+\)$/m);
    assert.equal(await manager.property('MainPID'), pid);
  });

  await t.test('it is removed, and removing it again is fine', async () => {
    const { code, stdout, stderr } = await manager.cli('uninstall-service');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `removed ${unit}\n`);
    assert.ok(!existsSync(unit));
    assert.equal(await manager.property('ActiveState'), 'inactive');
    const again = await manager.cli('uninstall-service');
    assert.deepEqual([again.code, again.stdout], [0, `no service is installed (${unit})\n`]);
  });

  await t.test('a configuration at an odd place is found, and so are the variables beside it', async () => {
    const dir = path.join(manager.home, 'odd "place" $HOME 100% [ü]');
    await mkdir(dir);
    const config = path.join(dir, 'config.toml');
    await writeFile(config, `api_base_url = "${scene.url}"\nonly_engines = ["test"]\n`);
    await writeFile(path.join(dir, 'worker.env'), 'SENTRY_ENVIRONMENT=from beside\n');
    const { code, stderr } = await manager.cli('install-service', '--now', '--config', config);
    assert.equal(code, 0, stderr);
    assert.equal(await manager.property('ActiveState'), 'active');
    const { stdout } = await manager.run('cat', [`/proc/${await manager.property('MainPID')}/environ`]);
    assert.ok(stdout.split('\0').includes('SENTRY_ENVIRONMENT=from beside'), stdout);
    assert.ok(existsSync(path.join(dir, 'daemon.pid')));
    assert.equal((await manager.cli('uninstall-service')).code, 0);
  });

  await t.test('setup starts the worker itself when systemd does not answer', async () => {
    const deaf = { XDG_RUNTIME_DIR: path.join(manager.home, 'nobody') };
    const config = path.join(manager.home, 'alone', 'config.toml');
    const { code, stdout, stderr } = await manager.run(
      process.execPath,
      [BIN, 'setup', '--config', config, '--api-base-url', scene.url],
      deaf,
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /systemctl --user daemon-reload` failed/);
    const [, pid = ''] = /^worker: runs in the background \(pid (\d+)\)/m.exec(stdout) ?? [];
    assert.equal((await manager.run('kill', [pid])).code, 0);
    await manager.cli('uninstall-service');
  });

  await t.test('a service for the machine is for the person behind sudo', async () => {
    const asSudo = { SUDO_USER: 'nobody' };
    const { code, stdout, stderr } = await manager.run(process.execPath, [BIN, 'install-service', '--system'], asSudo);
    const file = '/etc/systemd/system/minis-studio-worker.service';
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(`wrote ${file}\n`), stdout);
    // There is no systemd of the machine in here.
    assert.match(stderr, /^warning: `systemctl daemon-reload` failed: /m);
    assert.match(stdout, /^ {2}systemctl enable minis-studio-worker\.service$/m);
    const unit = (await manager.run('cat', [file])).stdout;
    assert.match(unit, /^User=nobody$/m);
    assert.match(unit, /^ExecStart=.*"--config" "[^"]*\/\.config\/minis-studio-worker\/config\.toml"$/m);
    assert.ok(!unit.includes(manager.home), 'nothing of root is in it');
    assert.equal((await manager.run(process.execPath, [BIN, 'uninstall-service', '--system'], asSudo)).code, 0);
    assert.notEqual((await manager.run('cat', [file])).code, 0);
  });

  await t.test('a systemd that does not answer costs no file, and the reader is told what is left to do', async () => {
    const deaf = { XDG_RUNTIME_DIR: path.join(manager.home, 'nobody') };
    const { code, stdout, stderr } = await manager.run(process.execPath, [BIN, 'install-service', '--now'], deaf);
    assert.equal(code, 0);
    assert.match(stderr, /^warning: `systemctl --user daemon-reload` failed: /);
    assert.ok(stdout.includes(`wrote ${unit}\n`));
    assert.ok(
      stdout.endsWith(
        '  systemctl --user daemon-reload\n  systemctl --user enable --now minis-studio-worker.service\n',
      ),
    );
    assert.match(await readFile(unit, 'utf8'), /^Type=notify$/m);
  });
});
