// The models of a running worker, steered by the command line: what is loaded stays so over a death that nobody could
// prepare for. No studio is there; none is needed.
import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCli } from '../supervisor/cli/run-cli.ts';
import { type LogRecord, makeConfigDir, startWorker, WITH_TEST_ENGINE, type WorkerProcess } from './worker-process.ts';

const cliDefaults = { cfgScale: 0, steps: 0, width: 0, height: 0 };
const entry = (id: string) => ({
  id,
  displayName: id,
  kind: 'llm',
  vramGbEstimate: 0.1,
  source: { engine: 'test', files: [], cliDefaults },
});

let dir: string;
let worker: WorkerProcess;

const models = (...args: string[]) => runCli(['models', ...args, '--config', join(dir, 'config.toml')]);
const isModel = (id: string) => (record: LogRecord) => record.model === id;

async function listed(): Promise<{ id: string; state: string; resident: boolean }[]> {
  const { stdout } = await models('list', '--json');
  return (JSON.parse(stdout) as { id: string; state: string; resident: boolean }[]).map(({ id, state, resident }) => ({
    ...{ id, state, resident },
  }));
}

before(async () => {
  dir = await makeConfigDir('http://127.0.0.1:9', '', WITH_TEST_ENGINE);
  const dismissedSeeds = ['z-image-turbo-q4_k_m.gguf', 'qwen3.5-0.8b', 'qwen3.5-2b'];
  await writeFile(join(dir, 'models.json'), JSON.stringify({ models: ['b', 'a', 'idle'].map(entry), dismissedSeeds }));
  worker = start();
  await worker.until('the local API listens');
});

after(async () => {
  await worker?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

function start(): WorkerProcess {
  return startWorker({ dir, keepDir: true, env: { STUDIO_WORKER_LOCAL_API_PORT: '0' } });
}

test('models load and unload by command, and it is told how that went', async () => {
  for (const id of ['a', 'b', 'idle']) {
    const { code, stdout, stderr } = await models('load', id);
    assert.deepEqual([code, stdout], [0, `${id} is loaded, resident\n`], stderr);
  }
  assert.equal((await models('unload', 'idle')).stdout, 'idle is unloaded\n');
  assert.deepEqual(await listed(), [
    { id: 'b', state: 'loaded', resident: true },
    { id: 'a', state: 'loaded', resident: true },
    { id: 'idle', state: 'unloaded', resident: false },
  ]);
  const file = join(dir, 'residency.json');
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { version: 1, resident: ['a', 'b'] });
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('the running worker takes models that are added and removed, and says why it cannot load one', async () => {
  const flags = ['--kind', 'llm', '--engine', 'test'];
  assert.equal((await models('add', '--id', 'test-load-missing', ...flags)).code, 0);
  const failed = await models('load', 'test-load-missing');
  assert.deepEqual([failed.code, failed.stdout], [1, '']);
  assert.match(failed.stderr, /test-load-missing could not be loaded: the test model has no files/);
  assert.match((await models('list')).stdout, /^test-load-missing .* failed +resident, the test model has no files$/m);
  assert.equal((await models('remove', 'test-load-missing')).code, 0);
  const [unknown, large, odd] = await Promise.all([
    models('load', 'nope'),
    models('add', '--id', 'large', ...flags, '--vram-gb', '4000').then(() => models('load', 'large')),
    models('load', 'a/b'),
  ]);
  assert.match(unknown.stderr, /no model/);
  assert.match(large.stderr, /model `large` needs 4000 GiB, [\d.]+ GiB can be had/);
  assert.match(odd.stderr, /characters that do not fit into a path/);
  assert.deepEqual([unknown.code, large.code, odd.code], [1, 1, 1]);
  assert.equal((await models('remove', 'large')).code, 0);
});

test('after kill -9 the resident models are loaded again, in the order of the catalogue', async () => {
  worker.kill('SIGKILL');
  await worker.exited;
  const without = await models('load', 'a');
  assert.equal(without.code, 1);
  assert.match(without.stderr, /no worker runs on/);
  assert.match((await models('list')).stdout, /^a +llm +test +0\.1 +- +resident$/m);
  worker = start();
  await worker.until('model loaded', isModel('b'));
  await worker.until('model loaded', isModel('a'));
  const loads = worker.logs.all.filter(({ msg }) => msg === 'model loaded').map(({ model }) => model);
  assert.deepEqual(loads, ['b', 'a']);
  assert.deepEqual(
    (await listed()).map(({ id, state }) => [id, state]),
    [
      ['b', 'loaded'],
      ['a', 'loaded'],
      ['idle', 'unloaded'],
    ],
  );
});

test('a model that is unloaded is not loaded at the next start', async () => {
  assert.equal((await models('unload', 'b')).code, 0);
  worker.kill('SIGTERM');
  assert.equal((await worker.exited).code, 0);
  worker = start();
  await worker.until('model loaded', isModel('a'));
  assert.deepEqual(
    (await listed()).map(({ id, state, resident }) => [id, state, resident]),
    [
      ['b', 'unloaded', false],
      ['a', 'loaded', true],
      ['idle', 'unloaded', false],
    ],
  );
});
