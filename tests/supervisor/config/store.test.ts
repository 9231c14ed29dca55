import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openConfigStore } from '../../../src/supervisor/config/store.ts';
import { tempDir } from '../temp-dir.ts';

const SECRET = 'feedface-feedface';

test('a missing file is written with helpful defaults, for its owner only', async () => {
  await using dir = await tempDir();
  const file = dir.file('new/folder/config.toml');
  const store = await openConfigStore(file, { create: true });
  assert.equal(store.exists, true);
  assert.equal(store.current.vramThresholdGb, 12);
  const text = await readFile(file, 'utf8');
  assert.equal(text, store.text);
  assert.match(text, /^# Configuration of studio-worker/);
  assert.match(text, /^vram_threshold_gb = 12\.0$/m);
  if (process.platform !== 'win32') {
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(dir.file('new/folder'))).mode & 0o777, 0o700);
  }
  assert.deepEqual(await readdir(dir.file('new/folder')), ['.config.toml.lock', 'config.toml']);
});

test('a new file takes a smaller detected memory as its threshold, and never a larger one', async () => {
  await using dir = await tempDir();
  const cases: [detected: number, threshold: number][] = [
    [0, 12],
    [7.996, 7.99],
    [8, 8],
    [24, 12],
  ];
  for (const [detected, threshold] of cases) {
    const file = dir.file(`${detected}.toml`);
    const store = await openConfigStore(file, { create: true, detectedVramGb: async () => detected });
    assert.equal(store.current.vramThresholdGb, threshold);
  }
  await writeFile(dir.file('old.toml'), 'vram_threshold_gb = 30\n');
  const old = await openConfigStore(dir.file('old.toml'), { create: true, detectedVramGb: () => assert.fail('asked') });
  assert.equal(old.current.vramThresholdGb, 30);
});

test('looking at a missing file creates nothing; a first change does', async () => {
  await using dir = await tempDir();
  const store = await openConfigStore(dir.file('sub/config.toml'));
  assert.equal(store.exists, false);
  assert.deepEqual(await readdir(dir.path), []);
  await store.patch({ vramThresholdGb: 4 });
  assert.equal(store.exists, true);
  assert.equal(store.current.vramThresholdGb, 4);
  assert.match(await readFile(dir.file('sub/config.toml'), 'utf8'), /^vram_threshold_gb = 4/m);
});

test('a change keeps what somebody else wrote meanwhile, comments included', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  await writeFile(file, '# mine\nvram_threshold_gb = 12.0\n', { mode: 0o644 });
  const store = await openConfigStore(file);
  await writeFile(file, '# mine, edited\nvram_threshold_gb = 10.0 # less\n[pools.llm]\nvram_gb = 2\n');
  const config = await store.patch({ workerId: 'w-1', authToken: SECRET });
  assert.equal(
    await readFile(file, 'utf8'),
    `# mine, edited\nvram_threshold_gb = 10.0 # less\nworker_id = "w-1"\nauth_token = "${SECRET}"\n\n[pools.llm]\nvram_gb = 2\n`,
  );
  assert.equal(config, store.current);
  assert.equal(config.vramThresholdGb, 10);
  assert.equal(config.pools.llm.vramGb, 2);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(Object.isFrozen(config));
});

test('removing keys makes them absent in the file', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  await writeFile(file, `install_id = "i-1"\nregistration_secret = "${SECRET}"\n`);
  const store = await openConfigStore(file);
  await store.patch({ registrationSecret: undefined, registrationRequestId: undefined });
  assert.equal(await readFile(file, 'utf8'), 'install_id = "i-1"\n');
  assert.equal(store.current.registrationSecret, undefined);
});

test('changes made at the same time all arrive', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  const [one, two] = [await openConfigStore(file, { create: true }), await openConfigStore(file)];
  await Promise.all([
    one.patch({ workerId: 'w-1' }),
    two.patch({ label: 'rig' }),
    one.patch({ installId: 'i-1' }),
    two.patch({ autoEnabled: false }),
    one.patch({ authToken: SECRET }),
  ]);
  const { current } = await openConfigStore(file);
  const { workerId, label, installId, autoEnabled, authToken } = current;
  assert.deepEqual(
    { workerId, label, installId, autoEnabled, authToken },
    { workerId: 'w-1', label: 'rig', installId: 'i-1', autoEnabled: false, authToken: SECRET },
  );
});

test('a value that the file may not have is refused, and the file stays', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  const store = await openConfigStore(file, { create: true });
  const before = await readFile(file, 'utf8');
  await assert.rejects(store.patch({ vramThresholdGb: -1 }), { code: 'CONFIG_INVALID', message: /must be 0 or more/ });
  await assert.rejects(store.patch({ vramThresholdGb: Number.NaN }), { code: 'CONFIG_INVALID' });
  await assert.rejects(store.patch({ apiBaseUrl: 'http://example.com/' }), { code: 'CONFIG_INVALID' });
  assert.equal(await readFile(file, 'utf8'), before);
  await store.patch({ vramThresholdGb: 3 });
  assert.equal(store.current.vramThresholdGb, 3);
});

test('a broken file is never overwritten, and its error quotes nothing', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  const broken = `auth_token = "${SECRET}\n`;
  await writeFile(file, broken);
  await assert.rejects(openConfigStore(file, { create: true }), (error: Error) => {
    assert.ok(error.message.startsWith(`${file}:1:`));
    assert.ok(!error.message.includes('feedface'));
    return true;
  });
  await writeFile(file, 'vram_threshold_gb = 5\n');
  const store = await openConfigStore(file);
  await writeFile(file, broken);
  await assert.rejects(store.patch({ vramThresholdGb: 6 }), { code: 'CONFIG_INVALID' });
  assert.equal(await readFile(file, 'utf8'), broken);
  assert.equal(store.current.vramThresholdGb, 5);
});

test('a file that is not UTF-8 is refused', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('config.toml'), Buffer.from([0x61, 0x3d, 0x22, 0xff, 0xfe, 0x22]));
  await assert.rejects(openConfigStore(dir.file('config.toml')), {
    code: 'CONFIG_INVALID',
    message: /not valid UTF-8/,
  });
});

test('refresh tells a changed file from an unchanged one, and says once what is wrong with a broken one', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  await writeFile(file, 'vram_threshold_gb = 5\n');
  const store = await openConfigStore(file);
  const first = store.current;
  assert.equal(await store.refresh(), 'unchanged');

  await writeFile(file, 'vram_threshold_gb = 6\n');
  assert.equal(await store.refresh(), 'changed');
  assert.equal(store.current.vramThresholdGb, 6);
  assert.equal(first.vramThresholdGb, 5);

  await writeFile(file, '# a comment changes nothing\nvram_threshold_gb = 6.0\n');
  assert.equal(await store.refresh(), 'unchanged');
  await utimes(file, 1, 1);
  assert.equal(await store.refresh(), 'unchanged');

  await writeFile(file, 'vram_threshold_gb = \n');
  const invalid = await store.refresh();
  assert.ok(typeof invalid === 'object' && invalid.invalid.startsWith(`${file}:1:`));
  assert.equal(store.current.vramThresholdGb, 6);
  assert.equal(await store.refresh(), 'unchanged');

  await writeFile(file, 'vram_threshold_gb = 7\nmisspelt = 1\n');
  assert.equal(await store.refresh(), 'changed');
  assert.equal(store.current.vramThresholdGb, 7);
  assert.match(store.warnings[0] ?? '', /misspelt/);

  await rm(file);
  const gone = await store.refresh();
  assert.ok(typeof gone === 'object' && gone.invalid.includes('gone'));
  await store.patch({ label: 'back' });
  assert.equal(await readFile(file, 'utf8'), 'vram_threshold_gb = 7\nmisspelt = 1\nlabel = "back"\n');
});

test('refresh also reports what a change of our own took in', async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  const store = await openConfigStore(file, { create: true });
  await store.patch({ workerId: 'w-1' });
  assert.equal(await store.refresh(), 'changed');
  assert.equal(await store.refresh(), 'unchanged');
  await store.patch({ workerId: 'w-1' });
  assert.equal(await store.refresh(), 'unchanged');
});

test('a config that is a symbolic link stays one', { skip: process.platform === 'win32' }, async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('dotfiles'));
  await writeFile(dir.file('dotfiles/sw.toml'), 'vram_threshold_gb = 5\n');
  await symlink('dotfiles/sw.toml', dir.file('config.toml'));
  const store = await openConfigStore(dir.file('config.toml'));
  await store.patch({ vramThresholdGb: 6 });
  assert.equal(await readlink(dir.file('config.toml')), 'dotfiles/sw.toml');
  assert.equal(await readFile(dir.file('dotfiles/sw.toml'), 'utf8'), 'vram_threshold_gb = 6\n');

  await symlink('dotfiles/new.toml', dir.file('dangling.toml'));
  await openConfigStore(dir.file('dangling.toml'), { create: true });
  assert.match(await readFile(dir.file('dotfiles/new.toml'), 'utf8'), /^vram_threshold_gb/m);
});

test('a pipe or a device is refused, neither waited for nor replaced', {
  skip: process.platform === 'win32',
}, async () => {
  await using dir = await tempDir();
  execFileSync('mkfifo', [dir.file('pipe')]);
  await symlink('/dev/null', dir.file('null'));
  for (const name of ['pipe', 'null']) {
    const before = await readdir(dir.path);
    await assert.rejects(openConfigStore(dir.file(name), { create: true }), {
      code: 'CONFIG_UNREADABLE',
      message: `${dir.file(name)} is not an ordinary file: name another with --config.`,
    });
    assert.deepEqual(await readdir(dir.path), before);
  }
  assert.equal((await stat('/dev/null')).isCharacterDevice(), true);
});

test('a folder that cannot be written is named, with what to do', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('a-file'), '');
  const file = dir.file('a-file/config.toml');
  await assert.rejects(openConfigStore(file, { create: true }), {
    code: /CONFIG_UN(READABLE|WRITABLE)/,
    message: /a-file.*\(ENOTDIR\)\. A part of that path is a file/,
  });
  await mkdir(dir.file('config.toml'));
  await assert.rejects(openConfigStore(dir.file('config.toml')), { code: 'CONFIG_UNREADABLE', message: /EISDIR/ });
});

test('a folder in which nobody can create anything is named, too', { skip: process.platform !== 'linux' }, async () => {
  await assert.rejects(openConfigStore('/sys/studio-worker/config.toml', { create: true }), {
    code: 'CONFIG_UNWRITABLE',
    message: /^cannot write in the folder \/sys\/studio-worker \((EPERM|EACCES|EROFS)\)\. .*--config/,
  });
});

test('a folder without write permission is named, too', { skip: process.getuid?.() === 0 }, async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('shut'));
  await chmod(dir.file('shut'), 0o500);
  await assert.rejects(openConfigStore(dir.file('shut/config.toml'), { create: true }), {
    code: 'CONFIG_UNWRITABLE',
    message: /shut.*EACCES.*--config/,
  });
});

test('a full disk costs nothing that was there', { skip: process.platform !== 'linux' }, async () => {
  await using dir = await tempDir();
  const file = dir.file('config.toml');
  await writeFile(file, 'vram_threshold_gb = 5\n');
  // A file size limit of zero blocks: every write fails as it does on a full disk.
  const script = `
    import { openConfigStore } from ${JSON.stringify(import.meta.resolve('../../../src/supervisor/config/store.ts'))};
    process.on('SIGXFSZ', () => {});
    const store = await openConfigStore(${JSON.stringify(file)});
    await store.patch({ vramThresholdGb: 9 }).catch((error) => console.log(error.code, error.message));
  `;
  // A report of coverage could not be written either.
  const limited = 'unset NODE_V8_COVERAGE; ulimit -f 0; exec "$0" --input-type=module -e "$1"';
  const child = spawn('sh', ['-c', limited, process.execPath, script]);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.resume();
  await once(child, 'close');
  assert.match(output, /^CONFIG_UNWRITABLE cannot write .*\(EFBIG\)/);
  assert.equal(await readFile(file, 'utf8'), 'vram_threshold_gb = 5\n');
  assert.deepEqual((await readdir(dir.path)).sort(), ['.config.toml.lock', 'config.toml']);
});
