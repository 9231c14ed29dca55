import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { takeDaemonLock } from '../../../src/supervisor/daemon-lock.ts';
import { packageVersion } from '../../../src/supervisor/machine.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { runCli } from './run-cli.ts';

const SECRET = 'feedface-feedface';

async function withConfig(text?: string) {
  const dir = await tempDir();
  const file = dir.file('config.toml');
  if (text !== undefined) await writeFile(file, text);
  return Object.assign(dir, {
    config: file,
    run: (...args: string[]) => runCli([...args, '--config', file]),
    read: () => readFile(file, 'utf8'),
  });
}

test('help and version', async () => {
  const version = await runCli(['--version']);
  assert.deepEqual(version, { code: 0, signal: null, stdout: `studio-worker ${packageVersion()}\n`, stderr: '' });
  const help = await runCli(['--help']);
  assert.equal(help.code, 0);
  for (const command of [
    'run',
    'status',
    'register',
    'set-threshold',
    'enable',
    'disable',
    'config',
    'studio',
    'demo',
  ]) {
    assert.match(help.stdout, new RegExp(`^ +studio-worker ${command}\\b`, 'm'));
  }
  assert.match((await runCli(['register', '--help'])).stdout, /--api-base-url/);
});

test('a command line that makes no sense ends with 2 and a hint', async () => {
  const cases: [args: string[], says: RegExp][] = [
    [[], /no command given/],
    [['frobnicate'], /frobnicate/],
    [['status', '--frobnicate'], /frobnicate/],
    [['status', '--config'], /config/],
    [['status', '--config', ''], /--config needs a path/],
    [['set-threshold'], /a value is missing after the command/],
    [['run-job', 'image'], /a value is missing after the command/],
    [['set-threshold', 'lots'], /must be a number/],
    [['set-threshold', 'NaN'], /must be a number/],
    [['set-threshold', 'Infinity'], /must be a number/],
    [['set-threshold', '0x10'], /must be a number/],
    [['register', '--label'], /label/],
    [['demo', '--jobs', '0'], /--jobs must be 1 to 100/],
    [['register', '--api-base-url', 'nonsense'], /--api-base-url must be a URL/],
    [['register', '--api-base-url', 'http://example.com/'], /--api-base-url must use https/],
  ];
  await using dir = await tempDir();
  await Promise.all(
    cases.map(async ([args, says]) => {
      const env = { XDG_CONFIG_HOME: dir.path, LANG: 'de_DE.UTF-8' };
      const { code, stdout, stderr } = await runCli(args, { env });
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.equal(stdout, '');
      assert.match(stderr, says);
      assert.match(stderr, /Try `studio-worker --help`/);
    }),
  );
  assert.deepEqual(await readdir(dir.path), []);
});

test('commands that only look create nothing', async () => {
  await using dir = await withConfig();
  const commands = [['status'], ['status', '--json'], ['config'], ['config', '--json']];
  const results = await Promise.all(commands.map((args) => dir.run(...args)));
  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0, 0, 0],
  );
  assert.deepEqual(await readdir(dir.path), []);
});

test('--config may stand before the command, and ~ and relative paths work', async () => {
  await using dir = await withConfig('label = "found"\n');
  assert.match((await runCli(['--config', dir.config, 'status'])).stdout, /label: +found/);
  const env = { HOME: dir.path };
  assert.match((await runCli(['--config', '~/config.toml', 'status'], { env })).stdout, /label: +found/);
  await mkdir(dir.file('.config/minis-studio-worker'), { recursive: true });
  await writeFile(dir.file('.config/minis-studio-worker/config.toml'), 'label = "default place"\n');
  if (process.platform !== 'win32') {
    const { stdout } = await runCli(['status'], { env: { ...env, XDG_CONFIG_HOME: '' } });
    assert.match(stdout, /label: +default place/);
  }
});

test('set-threshold says the old and the new value, and refuses a negative one', async () => {
  await using dir = await withConfig('# my rig\nvram_threshold_gb = 12.0 # GiB\n');
  const set = await dir.run('set-threshold', '7.5');
  assert.deepEqual(set, { code: 0, signal: null, stdout: 'vram_threshold_gb = 7.5 (was 12)\n', stderr: '' });
  assert.equal(await dir.read(), '# my rig\nvram_threshold_gb = 7.5 # GiB\n');
  const negative = await dir.run('set-threshold', '-5');
  assert.equal(negative.code, 1);
  assert.equal(negative.stderr, 'studio-worker: threshold must be >= 0\n');
  assert.equal((await dir.run('set-threshold', '0')).code, 0);
  assert.equal(await dir.read(), '# my rig\nvram_threshold_gb = 0 # GiB\n');
});

test('set-threshold warns when it exceeds the detected memory', { skip: process.platform !== 'linux' }, async () => {
  await using dir = await withConfig('vram_threshold_gb = 4\n');
  await fakeGpu(dir, 8192);
  const env = { PATH: `${dir.path}:${process.env.PATH}` };
  const set = (gb: string) => runCli(['set-threshold', gb, '--config', dir.config], { env });
  assert.equal((await set('8')).stderr, '');
  const above = await set('16');
  assert.equal(above.code, 0);
  assert.match(above.stderr, /^warning: 16 GiB is more than the 8 GiB found/);
  const { stdout } = await runCli(['status', '--config', dir.config], { env });
  assert.match(stdout, /^memory: +8 GiB \(nvidia-smi\)$/m);
  assert.match(stdout, /^model budget: +7 GiB$/m);
});

async function fakeGpu(dir: TempDir, mib: number): Promise<void> {
  await writeFile(dir.file('nvidia-smi'), `#!/bin/sh\necho ${mib}\n`);
  await chmod(dir.file('nvidia-smi'), 0o755);
}

test('enable and disable', async () => {
  await using dir = await withConfig();
  assert.equal((await dir.run('disable')).stdout, 'disabled: no new jobs are taken\n');
  assert.match(await dir.read(), /^auto_enabled = false$/m);
  assert.equal((await dir.run('disable')).stdout, 'already disabled\n');
  assert.equal((await dir.run('enable')).stdout, 'enabled: jobs are taken\n');
  assert.match(await dir.read(), /^auto_enabled = true$/m);
});

test('a running worker is named by those commands that it listens to', async () => {
  await using dir = await withConfig('');
  await using lock = await takeDaemonLock(dir.path);
  assert.ok(lock !== undefined);
  const takes = `the running worker (pid ${process.pid}) takes it within one heartbeat`;
  assert.ok((await dir.run('disable')).stdout.includes(takes));
  assert.ok((await dir.run('set-threshold', '3')).stdout.includes(takes));
  assert.ok((await dir.run('register', '--label', 'x')).stdout.includes(takes));
  assert.match((await dir.run('status')).stdout, new RegExp(`^running: +yes \\(pid ${process.pid}\\)$`, 'm'));
});

test('register edits the config and says what happens next', async () => {
  await using dir = await withConfig('# mine\nworker_id = "w-1"\n');
  const url = await dir.run('register', '--api-base-url', 'https://studio.example.com/', '--label', 'rig 1');
  assert.equal(url.stdout, 'saved; run `studio-worker run` to auto-register against https://studio.example.com/\n');
  assert.equal(
    await dir.read(),
    '# mine\nworker_id = "w-1"\napi_base_url = "https://studio.example.com/"\nlabel = "rig 1"\n',
  );
  await writeFile(
    dir.config,
    `worker_id = "w"\nauth_token = "${SECRET}"\nregistration_request_id = "r"\nregistration_secret = "${SECRET}"\ninstall_id = "i"\nlabel = "rig 1"\n`,
  );
  const reset = await dir.run('register', '--reset', '--label', '');
  assert.match(reset.stdout, /^local registration state cleared; run /);
  assert.equal((await dir.read()).trim(), '');
});

test('status shows the registration and no secret', async () => {
  const cases: [text: string, registration: string][] = [
    ['', 'not registered (will auto-register on next launch)'],
    [`registration_request_id = "r-1"\nregistration_secret = "${SECRET}"\n`, 'pending operator approval (request r-1)'],
    [`worker_id = "w-1"\nauth_token = "${SECRET}"\nlocal_api_token = "${SECRET}"\n`, 'approved as w-1'],
  ];
  for (const [text, registration] of cases) {
    await using dir = await withConfig(`auto_enabled = false\n${text}`);
    const { code, stdout } = await dir.run('status');
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split('\n');
    assert.ok(lines.includes(`registration:      ${registration}`), stdout);
    assert.ok(lines.includes(`config path:       ${dir.config}`), stdout);
    assert.deepEqual(
      lines.slice(0, 8).map((line) => line.split(':')[0]),
      [
        'config path',
        'api_base_url',
        'registration',
        'vram_threshold_gb',
        'auto_start',
        'models_root',
        'auto_update',
        'update_interval',
      ],
    );
    assert.match(stdout, /^enabled: +no/m);
    assert.match(stdout, /^pool llm: +12 GiB, threads 1, concurrency 4$/m);
    const json = await dir.run('status', '--json');
    const status = JSON.parse(json.stdout);
    assert.equal(status.enabled, false);
    assert.equal(status.pools.llm.concurrency, 4);
    assert.ok(!`${stdout}${json.stdout}`.includes(SECRET));
  }
});

test('config shows the file with masked secrets, or with everything when asked', async () => {
  const text = `# mine\nauth_token = "${SECRET}"\n# auth_token = "${SECRET}"\nworker_id = "w-1"\n[pools.llm]\nvram_gb = 2\n`;
  await using dir = await withConfig(text);
  const masked = await dir.run('config');
  assert.equal(masked.stdout, `# ${dir.config}\n${text.replaceAll(SECRET, '****')}`);
  assert.equal((await dir.run('config', '--show-secrets')).stdout, `# ${dir.config}\n${text}`);
  const json = JSON.parse((await dir.run('config', '--json')).stdout);
  assert.equal(json.path, dir.config);
  assert.equal(json.config.authToken, '****');
  assert.equal(json.config.pools.llm.vramGb, 2);
  assert.equal(JSON.parse((await dir.run('config', '--json', '--show-secrets')).stdout).config.authToken, SECRET);
});

test('a misspelt key is named on stderr, whatever the command', async () => {
  await using dir = await withConfig('vram_treshold_gb = 3\n');
  for (const args of [['status'], ['enable']]) {
    const { code, stderr } = await dir.run(...args);
    assert.equal(code, 0);
    assert.match(stderr, /^warning: .*unknown keys, not used: vram_treshold_gb\n$/);
  }
  assert.match(await dir.read(), /vram_treshold_gb = 3/);
});

test('a broken config is one clear line without its content, and stays as it is', async () => {
  const broken = `auth_token = "${SECRET}\nvram_threshold_gb = 3\n`;
  await using dir = await withConfig(broken);
  for (const args of [
    ['status'],
    ['config', '--show-secrets'],
    ['set-threshold', '3'],
    ['register', '--reset'],
    ['run'],
  ]) {
    const { code, stdout, stderr } = await dir.run(...args);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /^studio-worker: .*config\.toml:1:\d+: not valid TOML \([a-z ]+\)\n$/);
    assert.ok(!`${stdout}${stderr}`.includes('feedface'));
  }
  assert.equal(await dir.read(), broken);
});

test('a stack is shown only to those who ask for it', async () => {
  await using dir = await withConfig('vram_threshold_gb = -3\n');
  const plain = await dir.run('status');
  assert.equal(plain.stderr, `studio-worker: ${dir.config}: vram_threshold_gb must be 0 or more\n`);
  const { stderr } = await runCli(['status', '--config', dir.config], { env: { STUDIO_WORKER_DEBUG: '1' } });
  assert.match(stderr, /^studio-worker: .*\nConfigError: .*\n {4}at /);
});

test('a folder that cannot be written is a clear error', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('file'), '');
  const { code, stderr } = await runCli(['set-threshold', '3', '--config', dir.file('file/config.toml')]);
  assert.equal(code, 1);
  assert.match(stderr, /^studio-worker: cannot .*file.* \(ENOTDIR\)\. A part of that path is a file/);
});
