// A machine without a service manager (a container): nothing is half-installed, and `setup` starts the worker itself.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { programCommand } from '../../../src/supervisor/service/program-command.ts';
import { layoutOf } from '../../../src/supervisor/update/layout.ts';
import { gone } from '../../e2e/gone.ts';
import { runCli } from '../cli/run-cli.ts';
import { tempDir } from '../temp-dir.ts';

const unmanaged = {
  timeout: 400_000,
  skip:
    (process.platform !== 'linux' || existsSync('/run/systemd/system')) &&
    'needs a Linux without systemd, such as a container',
};

const NOWHERE = 'http://127.0.0.1:9/';

test('install-service says why it cannot, and writes nothing', unmanaged, async () => {
  await using dir = await tempDir();
  for (const flags of [[], ['--now'], ['--system']]) {
    const { code, stdout, stderr } = await runCli(['install-service', ...flags], { env: { HOME: dir.path } });
    assert.equal(stdout, '');
    assert.ok(code === 1 || (code === 2 && flags[0] === '--system'), stderr);
    assert.match(stderr, /no service manager runs here .* nothing was installed|--system writes to \/etc/);
  }
  assert.deepEqual(readdirSync(dir.path), []);
});

test('a service of your own is not installed as root', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
  await using dir = await tempDir();
  const { code, stderr } = await runCli(['install-service'], { env: { HOME: dir.path, SUDO_USER: 'ann' } });
  assert.equal(code, 2);
  assert.match(stderr, /call it without sudo/);
});

test('uninstall-service without a service is fine', unmanaged, async () => {
  await using dir = await tempDir();
  const { code, stdout } = await runCli(['uninstall-service'], { env: { HOME: dir.path } });
  assert.equal(code, 0);
  assert.match(stdout, /^no service is installed/);
});

test('setup starts a worker in the background, says so, and can be repeated', unmanaged, async () => {
  await using dir = await tempDir();
  const env = { HOME: dir.path, XDG_CONFIG_HOME: '' };
  const setup = () => runCli(['setup', '--api-base-url', NOWHERE, '--label', 'my rig'], { env });
  const first = await setup();
  const pid = Number(/^worker: runs in the background \(pid (\d+)\)/m.exec(first.stdout)?.[1]);
  try {
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^service: none; /m);
    assert.match(
      first.stdout,
      /^approve it in the studio: machine \S+ \(my rig\) at http:\/\/127\.0\.0\.1:9\/graphics$/m,
    );
    assert.ok(first.stdout.includes(path.join(dir.path, '.config/minis-studio-worker/local-api.json')));
    const second = await setup();
    assert.equal(second.code, 0);
    assert.match(second.stdout, new RegExp(`^worker: already ran \\(pid ${pid}\\)$`, 'm'));
    const config = await readFile(dir.file('.config/minis-studio-worker/config.toml'), 'utf8');
    assert.match(config, /^label = "my rig"$/m);
  } finally {
    process.kill(pid, 'SIGTERM');
    await gone(pid);
  }
});

test('setup with an address that is none changes nothing', async () => {
  await using dir = await tempDir();
  const { code, stderr } = await runCli(['setup', '--api-base-url', 'studio'], {
    env: { HOME: dir.path, XDG_CONFIG_HOME: '' },
  });
  assert.equal(code, 2);
  assert.match(stderr, /--api-base-url must be a URL/);
  assert.deepEqual(readdirSync(dir.path), []);
});

test('an installation that updates itself is started by its launcher, whatever version is current', async () => {
  await using dir = await tempDir();
  const layout = layoutOf(dir.path);
  const install = { kind: 'managed', layout, folder: dir.file('versions/1.0.0'), variant: 'plain' } as const;
  assert.deepEqual(programCommand(install), programCommand({ kind: 'clone', how: '' }), 'without its launcher');
  await mkdir(path.dirname(layout.command), { recursive: true });
  await writeFile(layout.command, '');
  assert.deepEqual(programCommand(install), [layout.command]);
});
