// Commands that talk to the running worker: the real command line beside a real worker, and alone.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { type ApiWorker, SYNTHETIC, startApiWorker } from '../api/worker-rig.ts';
import { tempDir } from '../temp-dir.ts';
import { BIN, runCli } from './run-cli.ts';

let api: ApiWorker;
before(async () => {
  api = await startApiWorker(SYNTHETIC, 'only_engines = ["synthetic"]\n');
});
after(async () => api?.[Symbol.asyncDispose]());

const cli = (...args: string[]) => runCli([...args, '--config', api.worker.configPath]);

describe('run-job', () => {
  test('writes a picture, a sound and a film into the file that is named, and says so', async () => {
    for (const [kind, text, name, more] of [
      ['image', 'a red fox', 'fox.png', ['--set', 'width=96', '--set', 'height=64', '--set', 'ext=png']],
      ['tts', 'good morning', 'voice.wav', []],
      ['video', 'waves', 'film.webp', ['--set', 'seconds=0.5', '--set', 'ext=webp']],
    ] as const) {
      const file = join(api.worker.dir, name);
      const done = await cli('run-job', kind, text, '-o', file, ...more);
      assert.deepEqual(
        { code: done.code, stdout: done.stdout, stderr: done.stderr },
        { code: 0, stdout: `${file}\n`, stderr: '' },
      );
      assert.ok((await readFile(file)).byteLength > 0);
    }
    const { width, height, format } = await sharp(join(api.worker.dir, 'fox.png')).metadata();
    assert.deepEqual([width, height, format], [96, 64, 'png']);
  });

  test('writes text to stdout, or to a file', async () => {
    const { code, stdout, stderr } = await cli('run-job', 'llm', 'hello there');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\[synthetic\] reply to prompt #[0-9a-f]+\n$/);
    const file = join(api.worker.dir, 'answer.txt');
    assert.equal((await cli('run-job', 'llm', 'hello there', '--out', file)).stdout, `${file}\n`);
    assert.equal(await readFile(file, 'utf8'), stdout);
    const { text } = JSON.parse((await cli('run-job', 'llm', 'hello there', '--json')).stdout);
    assert.equal(`${text}\n`, stdout);
  });

  test('takes a recording from a file', async () => {
    const wav = join(api.worker.dir, 'said.wav');
    assert.equal((await cli('run-job', 'tts', 'good morning', '-o', wav)).code, 0);
    const { code, stdout } = await cli('run-job', 'stt', wav, '--json', '--set', 'language=nl');
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).language, 'nl');
  });

  test('says what is wrong, and leaves no file', async () => {
    const file = join(api.worker.dir, 'never.png');
    for (const [args, code, message] of [
      [['picture', 'a fox'], 2, /unknown kind of job `picture`: there are image, llm/],
      [['image', '  '], 2, /needs a text/],
      [['image', 'a fox', '--set', 'width'], 2, /--set width: expected key=value/],
      [['stt', '/nowhere/said.wav'], 2, /said\.wav cannot be read \(ENOENT\)/],
      [['image', 'a fox', '--model', 'nobody'], 1, /nobody/],
      [['image', 'a fox', '--model', 'synthetic-llm'], 1, /synthetic-llm/],
      [['image', 'a fox', '--set', 'ext=exe', '-o', file], 1, /`?exe/],
      [['image', 'a fox', '--set', 'width=-4'], 1, /width/],
    ] as const) {
      const done = await cli('run-job', ...args);
      assert.deepEqual([done.code, done.stdout], [code, ''], args.join(' '));
      assert.match(done.stderr, message);
    }
    await assert.rejects(readFile(file), { code: 'ENOENT' });
  });
});

test('jobs are listed, the oldest first, for people and as JSON', async () => {
  await api.post('/image', { prompt: 'a listed\nfox', width: 64, height: 64 });
  const jobs = JSON.parse((await cli('jobs', '--json')).stdout);
  const last = jobs.at(-1);
  assert.partialDeepStrictEqual(last, { kind: 'image', prompt: 'a listed\nfox', status: 'completed' });
  const { stdout } = await cli('jobs');
  assert.equal(stdout.split('\n').length, jobs.length + 2);
  assert.match(stdout, /^started +status +kind +model/);
  assert.match(stdout, /completed +image +synthetic-image +\w+ +\d+\.\d +a listed fox$/m);
});

test('pause and resume are seen in the status, beside session, models and address', async () => {
  assert.match((await cli('pause')).stdout, /^paused: /);
  const { stdout } = await cli('status');
  assert.match(stdout, /^session: +(waiting for approval|connecting)$/m);
  assert.match(stdout, /^takes jobs: +no \(paused; `resume` goes on\)$/m);
  assert.match(stdout, new RegExp(`^local api: +${api.url}$`, 'm'));
  assert.match(stdout, /^model: +synthetic-image: loaded$/m);
  assert.equal((await cli('resume')).stdout, 'resumed\n');
  const { live } = JSON.parse((await cli('status', '--json')).stdout);
  assert.deepEqual([live.paused, live.takesJobs, live.localApiUrl], [false, true, api.url]);
});

describe('logs', () => {
  test('are the last entries of the running worker, for people and as JSON', async () => {
    const { stdout } = await cli('logs', '-n', '2');
    assert.equal(stdout.trimEnd().split('\n').length, 2);
    assert.match(stdout, /^\d{4}-\S+Z (info|warn) +\[\w+\] /);
    const [entry] = (await cli('logs', '--lines', '1', '--json')).stdout.split('\n');
    assert.ok(JSON.parse(entry ?? '').seq > 0);
    assert.match((await cli('logs', '-n', 'x')).stderr, /--lines must be a whole number/);
  });

  test('are followed, each entry once', async () => {
    const child = spawn(process.execPath, [BIN, 'logs', '-f', '-n', '1', '--config', api.worker.configPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => lines.push(line));
    const until = async (text: string) => {
      while (!lines.some((line) => line.includes(text))) await once(reader, 'line');
    };
    await once(reader, 'line');
    for (let round = 0; round < 3; round += 1) {
      await api.ask('/daemon/pause', { method: 'POST' });
      await api.ask('/daemon/resume', { method: 'POST' });
    }
    const { entries } = JSON.parse((await api.ask('/daemon/logs')).text);
    const { message, ts } = entries.findLast((each: { category: string }) => each.category === 'daemon');
    await until(`${ts} info  [daemon] ${message}`);
    assert.equal(
      lines.filter((line) => line.includes('[daemon] resumed')).length,
      3 + lines.slice(0, 1).filter((line) => line.includes('[daemon] resumed')).length,
    );
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  test('come from the files when no worker runs, the newest file last', async () => {
    await using dir = await tempDir();
    const config = dir.file('config.toml');
    await writeFile(config, '');
    assert.match((await runCli(['logs', '--config', config])).stderr, /there are no log files in /);
    await mkdir(dir.file('logs'));
    const line = (msg: string) =>
      `${JSON.stringify({ level: 'info', time: '2026-01-01T00:00:00.000Z', category: 'job', jobId: 'j', vram: 3, msg })}\n`;
    // More than one block is read of it.
    await writeFile(dir.file('logs/worker.1.log'), Array.from({ length: 2_000 }, (_, i) => line(`old ${i}`)).join(''));
    await writeFile(dir.file('logs/worker.2.log'), `${line('new')}not JSON\n`);
    const { stdout, stderr } = await runCli(['logs', '-f', '-n', '1502', '--config', config]);
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 1_502);
    assert.equal(lines[0], '2026-01-01T00:00:00.000Z info  [job] old 500 vram=3 jobId=j');
    assert.match(lines.at(-2) ?? '', /\[job\] new vram=3/);
    assert.match(lines.at(-1) ?? '', /not JSON/);
    assert.match(stderr, /no worker runs on this configuration, so there is nothing to follow/);
  });
});

test('without a worker they say how to start one', async () => {
  await using dir = await tempDir();
  for (const args of [['pause'], ['resume'], ['jobs'], ['run-job', 'llm', 'hello']]) {
    const { code, stdout, stderr } = await runCli([...args, '--config', dir.file('config.toml')]);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr, /no worker runs on .*: start it with `studio-worker run`/);
  }
  assert.deepEqual(
    JSON.parse((await runCli(['status', '--json', '--config', dir.file('config.toml')])).stdout).live,
    null,
  );
});
