// `studio-worker models` without a running worker: the command as a child process, the files, and a real server to
// download from. With a worker: tests/e2e/residency.test.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type EntryFlags, entryOf } from '../../../src/supervisor/cli/models/entry-flags.ts';
import { barText, openProgressLine } from '../../../src/supervisor/cli/models/progress-line.ts';
import { SEEDS } from '../../../src/supervisor/models/seeds.ts';
import { fileServer } from '../../engines/models/file-server.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { BIN, runCli } from './run-cli.ts';

const CONFIG = 'api_base_url = "http://127.0.0.1:9/"\n';

async function place(): Promise<TempDir & { models(...args: string[]): ReturnType<typeof runCli> }> {
  const dir = await tempDir();
  await writeFile(dir.file('config.toml'), `${CONFIG}models_root = ${JSON.stringify(dir.file('store'))}\n`);
  return Object.assign(dir, {
    models: (...args: string[]) => runCli(['models', ...args, '--config', dir.file('config.toml')]),
  });
}

test('the catalogue is listed without being made, as a table and as JSON', async () => {
  await using dir = await place();
  const [{ code, stdout, stderr }, json, bare] = await Promise.all([
    dir.models('list'),
    dir.models('list', '--json'),
    dir.models(),
  ]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^id +kind +engine +GiB +state$/m);
  assert.match(stdout, /^qwen3\.5-2b +llm +llama-cpp +3 +-$/m);
  assert.equal(bare.stdout, stdout);
  const listed = JSON.parse(json.stdout) as { id: string; resident: boolean }[];
  assert.deepEqual(
    listed.map(({ id, resident }) => [id, resident]),
    SEEDS.map(({ id }) => [id, false]),
  );
  assert.deepEqual(await readdir(dir.path), ['config.toml']);
});

test('a model is added by flags or by a file, shown, replaced and removed', async () => {
  await using dir = await place();
  const sha = 'ab'.repeat(32);
  const flags = [
    '--id',
    'tiny',
    '--kind',
    'llm',
    '--engine',
    'llama-cpp',
    '--vram-gb',
    '0.5',
    '--name',
    'Tiny',
    '--group',
    'g',
  ];
  const files = [
    '--file-url',
    `model=https://example.com/a%20b.gguf#sha256=${sha}`,
    '--file-url',
    'vae=https://example.com/v?x=1',
  ];
  const settings = ['--set', 'contextSize=2048', '--set', 'chatTemplateKwargs={"a":[1]}', 'samplingMethod=euler'];
  const added = await dir.models('add', ...flags, ...files, ...settings);
  assert.deepEqual([added.code, added.stdout], [0, 'tiny is in the catalogue\n'], added.stderr);
  const { models } = JSON.parse(await readFile(dir.file('models.json'), 'utf8')) as { models: unknown[] };
  const zero = { cfgScale: 0, steps: 0, width: 0, height: 0 };
  const entry = {
    ...{
      id: 'tiny',
      displayName: 'Tiny',
      kind: 'llm',
      vramGbEstimate: 0.5,
      enabled: true,
      origin: 'local',
      exclusiveGroup: 'g',
    },
    source: {
      engine: 'llama-cpp',
      files: [
        { role: 'model', url: 'https://example.com/a%20b.gguf', filename: 'a b.gguf', sha256: sha },
        { role: 'vae', url: 'https://example.com/v?x=1', filename: 'v' },
      ],
      cliDefaults: { ...zero, contextSize: 2048, chatTemplateKwargs: { a: [1] }, samplingMethod: 'euler' },
    },
  };
  assert.deepEqual(models.at(-1), entry);

  await writeFile(dir.file('entry.json'), JSON.stringify({ ...entry, vramGbEstimate: 7 }));
  assert.equal(
    (await dir.models('add', '--file', dir.file('entry.json'), '--json')).stdout,
    '{"ok":true,"id":"tiny"}\n',
  );
  await writeFile(dir.file('residency.json'), '{"version":1,"resident":["tiny"]}');
  assert.match((await dir.models('list')).stdout, /^tiny +llm +llama-cpp +7 +- +resident, group g$/m);

  assert.equal((await dir.models('remove', 'tiny')).stdout, 'tiny is no longer in the catalogue\n');
  const gone = await dir.models('remove', 'tiny');
  assert.deepEqual([gone.code, gone.stdout], [1, '']);
  assert.match(gone.stderr, /there is no model `tiny`/);
});

const ONE: EntryFlags = { id: 'm', kind: 'llm', engine: 'e' };

test('flags that make no sense are refused with what they should be', () => {
  const cases: [flags: EntryFlags, says: RegExp][] = [
    [{}, /needs --file, or --id, --kind and --engine/],
    [{ ...ONE, vramGb: 'lots' }, /--vram-gb must be a number/],
    [{ ...ONE, fileUrl: ['https://example.com/m'] }, /--file-url must be role=url/],
    [{ ...ONE, fileUrl: ['=https://example.com/m'] }, /--file-url must be role=url/],
    [{ ...ONE, fileUrl: ['model=ftp://example.com/m'] }, /--file-url must be role=url/],
    [{ ...ONE, fileUrl: ['model=https://example.com/'] }, /must end in the name of a file/],
    [{ ...ONE, fileUrl: ['model=https://example.com/m#md5=1'] }, /sha256= and 64 hex digits/],
    [{ ...ONE, set: ['steps'] }, /--set must be key=value/],
    [{ ...ONE, set: ['stepz=1'] }, /--set knows no `stepz`; there are: cfgScale, steps/],
    [{ ...ONE, set: ['toString=1'] }, /--set knows no/],
  ];
  for (const [flags, message] of cases) assert.throws(() => entryOf(flags), { name: 'UsageError', message });
});

test('what makes no sense changes nothing, and says why', async () => {
  await using dir = await place();
  await writeFile(dir.file('text.json'), 'nonsense');
  await writeFile(dir.file('list.json'), '[]');
  const one = ['--id', 'm', '--kind', 'llm', '--engine', 'e'];
  const cases: [args: string[], code: number, says: RegExp][] = [
    [['frobnicate'], 2, /frobnicate/],
    [['add'], 2, /needs --file, or --id, --kind and --engine/],
    [['add', '--file', dir.file('text.json')], 2, /is not JSON/],
    [['add', '--file', dir.file('list.json')], 2, /is not an entry/],
    [['add', '--file', dir.file('none.json')], 1, /cannot read .*ENOENT/],
    [['add', '--file', dir.file('list.json'), '--id', 'm'], 2, /give no other flags/],
    [['add', ...one, '--set', 'steps=many'], 1, /source\.cliDefaults\.steps/],
    [['add', '--id', 'a/b', '--kind', 'llm', '--engine', 'e'], 1, /id: expected/],
    [['load', 'qwen3.5-2b'], 1, /no worker runs on .*start it with `studio-worker run`/],
    [['pull', 'unknown'], 1, /there is no model `unknown`/],
  ];
  await Promise.all(
    cases.map(async ([args, expected, says]) => {
      const { code, stdout, stderr } = await dir.models(...args);
      assert.deepEqual([code, stdout], [expected, ''], `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, says);
    }),
  );
  assert.equal((await readdir(dir.path)).includes('models.json'), false);
});

test('a broken catalogue is neither changed nor passed off as an empty one', async () => {
  await using dir = await place();
  await writeFile(dir.file('models.json'), '{"models": [');
  for (const args of [
    ['list'],
    ['add', '--id', 'm', '--kind', 'llm', '--engine', 'e'],
    ['remove', 'qwen3.5-2b'],
    ['pull', 'qwen3.5-2b'],
  ]) {
    const { code, stderr } = await dir.models(...args);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /not JSON/);
  }
  assert.equal(await readFile(dir.file('models.json'), 'utf8'), '{"models": [');
});

test('commands at the same time lose nothing', async () => {
  await using dir = await place();
  const ids = ['a', 'b', 'c', 'd'];
  await Promise.all(ids.map((id) => dir.models('add', '--id', id, '--kind', 'llm', '--engine', 'e')));
  const { models } = JSON.parse(await readFile(dir.file('models.json'), 'utf8')) as { models: { id: string }[] };
  assert.deepEqual(
    models
      .slice(SEEDS.length)
      .map(({ id }) => id)
      .sort(),
    ids,
  );
});

const DATA = Buffer.alloc(300_000, 'the weights of a model ');

test('pull brings the files and says where they are; what is here already is not fetched again', async () => {
  await using server = await fileServer(DATA);
  await using dir = await place();
  await dir.models('add', '--id', 'm', '--kind', 'llm', '--engine', 'e', '--file-url', `model=${server.base}/m.gguf`);
  const { code, stdout, stderr } = await dir.models('pull', 'm');
  assert.deepEqual([code, stdout], [0, `${dir.file('store/m/m.gguf')}\n`], stderr);
  assert.match(stderr, /^m: fetching 100 %/m, 'plain lines where there is no terminal');
  assert.ok(!stderr.includes('\r') && !stderr.includes('\u001b'));
  assert.deepEqual(await readFile(dir.file('store/m/m.gguf')), DATA);
  const again = await dir.models('pull', 'm', '--json');
  assert.deepEqual(JSON.parse(again.stdout), { ok: true, id: 'm', files: [dir.file('store/m/m.gguf')] });
  assert.equal(server.asked.length, 1);
  server.next({ status: 404 });
  await dir.models('add', '--id', 'n', '--kind', 'llm', '--engine', 'e', '--file-url', `model=${server.base}/n.gguf`);
  const missing = await dir.models('pull', 'n');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /n\.gguf/);
});

test('Ctrl-C keeps what has arrived, and the next pull goes on with it', {
  skip: process.platform === 'win32',
}, async () => {
  await using server = await fileServer(DATA);
  await using dir = await place();
  await dir.models('add', '--id', 'm', '--kind', 'llm', '--engine', 'e', '--file-url', `model=${server.base}/m.gguf`);
  server.next({ dropAfter: 200_000 }, { stallAfter: 0 });
  const child = spawn(process.execPath, [BIN, 'models', 'pull', 'm', '--config', dir.file('config.toml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  for await (const chunk of child.stderr.setEncoding('utf8')) {
    stderr += chunk;
    if (/broke off after 200000 bytes/.test(stderr) && !child.killed) child.kill('SIGINT');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 130, stderr);
  assert.match(stderr, /stopped; what has arrived is kept, and `studio-worker models pull m` goes on with it/);
  const part = (await readdir(dir.file('store/m'))).find((name) => name.endsWith('.part')) ?? 'none';
  assert.equal((await stat(dir.file(`store/m/${part}`))).size, 200_000);
  assert.equal((await dir.models('pull', 'm')).code, 0);
  assert.equal(server.asked.at(-1)?.headers.range, 'bytes=200000-');
});

test('on a terminal one line is written over, and never wraps', () => {
  const written: string[] = [];
  {
    using line = openProgressLine('m', { isTTY: true, columns: 60, write: (text: string) => written.push(text) });
    line.show({ ratio: 0.5, etaSeconds: 100, totalBytes: 2e9 });
    line.note('warning: slow');
  }
  const bar = 'm  [█████████░░░░░░░░░]  fetching 50 % of 2.0 GB 2 min left';
  assert.deepEqual(written, [`\r\u001b[K${bar}`, '\r\u001b[Kwarning: slow\n', '\r\u001b[K']);
  for (const columns of [0, 1, 10, 30, 60, 200]) {
    for (const ratio of [undefined, -1, 0, 0.3, 1, 2]) {
      const text = barText('a-model-with-a-long-name', { ratio, etaSeconds: 99_999, totalBytes: 5e8 }, columns);
      assert.ok(text.length < Math.max(1, columns), `${columns} ${ratio}: ${text}`);
    }
  }
});
