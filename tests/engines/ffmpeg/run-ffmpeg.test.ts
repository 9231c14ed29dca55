// How a run of ffmpeg ends: by itself, by a cancel, by its own silence, by its death, and with its owner. Where the real
// program cannot be made to misbehave, a shell script stands in for it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findFfmpeg } from '../../../src/engines/ffmpeg/find-ffmpeg.ts';
import { type FfmpegContext, runFfmpeg } from '../../../src/engines/ffmpeg/run-ffmpeg.ts';
import { toFailure } from '../../../src/protocol/failure.ts';
import { type TempDir, tempDir } from '../../supervisor/temp-dir.ts';
import { isAlive } from '../../workers/rig.ts';
import { noFfmpeg } from './have-ffmpeg.ts';
import { context } from './media.ts';

const noShell = process.platform === 'win32' && 'a shell script cannot be a program on Windows';

/** A models folder whose `bin/ffmpeg` is this script. */
async function scripted(dir: TempDir, script: string): Promise<FfmpegContext['settings']> {
  await mkdir(dir.file('bin'), { recursive: true });
  await writeFile(dir.file('bin/ffmpeg'), `#!/bin/sh\n${script}\n`);
  await chmod(dir.file('bin/ffmpeg'), 0o755);
  return { modelsRoot: dir.path, cpuThreads: 1 };
}

function start(with_: FfmpegContext, more: { stallMs?: number; line?: (text: string) => void } = {}) {
  return runFfmpeg({ what: 'testing', args: [], blame: 'INPUT_INVALID', line: () => {}, ...more }, with_);
}

/** Runs with everything that ffmpeg sees of the world taken from `env`. */
async function withEnv<T>(env: Record<string, string | undefined>, work: () => Promise<T>): Promise<T> {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(env)) set(name, value);
  try {
    return await work();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

describe('ffmpeg is found', { skip: noShell }, () => {
  test('by its variable, in the models folder, in PATH, in this order', async () => {
    await using models = await tempDir();
    await using other = await tempDir();
    await scripted(models, '');
    await scripted(other, '');
    const [own, system] = [models.file('bin/ffmpeg'), other.file('bin/ffmpeg')];
    const PATH = `:${other.file('nothing')}:${other.file('bin')}`;
    const find = (named?: string) => withEnv({ PATH, STUDIO_WORKER_FFMPEG: named }, () => findFfmpeg(models.path));
    assert.equal(await find(system), system);
    assert.equal(await find(), own);
    await chmod(own, 0o644);
    assert.equal(await find(), system);
  });

  test('or said to be missing, with what to install', async () => {
    await using dir = await tempDir();
    await withEnv({ PATH: dir.path, STUDIO_WORKER_FFMPEG: undefined }, async () => {
      await assert.rejects(findFfmpeg(dir.path), {
        ...{ code: 'ENGINE_UNAVAILABLE', retryable: false },
        message:
          'ffmpeg is not installed: apt-get install ffmpeg (Debian/Ubuntu), brew install ffmpeg, winget install ffmpeg',
      });
    });
    await withEnv({ STUDIO_WORKER_FFMPEG: dir.path }, async () => {
      await assert.rejects(findFfmpeg(dir.path), { code: 'ENGINE_UNAVAILABLE', message: /STUDIO_WORKER_FFMPEG names/ });
    });
  });
});

describe('a run', { skip: noShell }, () => {
  test('gets no secret, no input, and gives its lines', async () => {
    await using dir = await tempDir();
    const settings = await scripted(dir, 'env\ncat\necho "[info] done" >&2');
    const lines: string[] = [];
    const said = await withEnv({ HF_TOKEN: 'secret' }, () =>
      start(context({ settings }), { line: (text) => lines.push(text) }),
    );
    assert.ok(lines.includes('LC_ALL=C'));
    assert.ok(!lines.some((line) => line.includes('HF_TOKEN')));
    assert.deepEqual(said, ['[info] done']);
  });

  for (const [what, script, code, message] of [
    [
      'an error',
      'echo "[mov @ 0x5] [error] moov atom not found" >&2; exit 1',
      'INPUT_INVALID',
      /^testing: ffmpeg ended with 1: moov atom not found$/,
    ],
    ['an error without words', 'exit 3', 'INPUT_INVALID', /^testing: ffmpeg ended with 3$/],
    [
      'a full disk',
      'echo "[error] av_interleaved_write_frame(): No space left on device" >&2; exit 1',
      'DISK_FULL',
      /no room/,
    ],
    ['no memory', 'echo "[fatal] Cannot allocate memory" >&2; exit 1', 'ENGINE_FAILED', /Cannot allocate memory/],
    ['a signal', 'kill -SEGV $$', 'ENGINE_CRASHED', /^testing: ffmpeg was ended by SIGSEGV$/],
    [
      'a name of a temporary file',
      'echo "[error] file:/tmp/job-7/in.bin: Invalid data" >&2; exit 1',
      'INPUT_INVALID',
      /with 1: Invalid data$/,
    ],
  ] as const) {
    test(`that ends with ${what} fails as ${code}`, async () => {
      await using dir = await tempDir();
      const settings = await scripted(dir, script);
      await assert.rejects(start(context({ settings })), { code, message });
    });
  }

  test('of what is no program says that it could not be started', async () => {
    await using dir = await tempDir();
    const settings = await scripted(dir, '');
    await writeFile(dir.file('bin/ffmpeg'), '#!/nowhere/at/all\n');
    const message = /^testing: ffmpeg could not be started: /;
    await assert.rejects(start(context({ settings })), { code: 'ENGINE_UNAVAILABLE', message });
  });

  test('that does not advance is ended, also when it says so twice a second', async () => {
    await using dir = await tempDir();
    const settings = await scripted(dir, 'echo $$\nwhile :; do echo frame=7; echo progress=continue; sleep 0.02; done');
    let pid = 0;
    const line = (text: string) => {
      if (/^\d+$/.test(text)) pid = Number(text);
    };
    await assert.rejects(start(context({ settings }), { stallMs: 800, line }), {
      ...{ code: 'ENGINE_HUNG', retryable: true },
      message: 'testing: ffmpeg did not advance for 800 ms',
    });
    assert.ok(pid > 0);
    assert.equal(isAlive(pid), false);
  });

  test('that advances slowly is left alone', async () => {
    await using dir = await tempDir();
    const settings = await scripted(dir, 'for i in 1 2 3 4 5 6 7 8 9; do echo out_time_us=$i; sleep 0.15; done');
    await start(context({ settings }), { stallMs: 1_200 });
  });

  for (const [what, trap] of [
    ['goes when it is asked', ''],
    ['is made to when it does not listen', "trap '' TERM"],
  ]) {
    test(`that is cancelled ${what}`, async () => {
      await using dir = await tempDir();
      const settings = await scripted(dir, `${trap}\necho $$\nwhile :; do sleep 0.05; done`);
      const controller = new AbortController();
      const reason = toFailure({ code: 'CANCELLED', message: 'enough' }, 'INTERNAL');
      let pid = 0;
      const run = start(context({ settings, signal: controller.signal }), {
        line: (text) => {
          pid = Number(text);
          controller.abort(reason);
        },
      });
      await assert.rejects(run, { code: 'CANCELLED', message: 'enough' });
      assert.equal(isAlive(pid), false);
    });
  }

  test('is not begun once it is cancelled', async () => {
    const signal = AbortSignal.abort(toFailure({ code: 'CANCELLED', message: 'never' }, 'INTERNAL'));
    await assert.rejects(start(context({ signal, settings: { modelsRoot: '/nowhere', cpuThreads: 1 } })), {
      message: 'never',
    });
  });
});

test('ffmpeg and its guard end when their owner is killed', {
  skip: noFfmpeg || (process.platform !== 'linux' && 'children are looked up in /proc'),
}, async () => {
  const program = fileURLToPath(new URL('../../../fixtures/engines/ffmpeg-owner.ts', import.meta.url));
  const owner = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
  const pids = JSON.parse(line) as number[];
  assert.deepEqual(pids.map(isAlive), [true, true]);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  // Their end can only be seen by looking: they are no children of ours.
  const killedAt = performance.now();
  while (pids.some(isAlive)) {
    assert.ok(performance.now() - killedAt < 60_000, 'ffmpeg outlived its owner');
    await sleep(10);
  }
});

test('nothing keeps the process once the runs are over', { skip: noFfmpeg }, async () => {
  const program = [
    `import { runFfmpeg } from ${JSON.stringify(new URL('../../../src/engines/ffmpeg/run-ffmpeg.ts', import.meta.url).href)};`,
    "const run = { what: 'x', args: ['-f', 'lavfi', '-i', 'nullsrc=d=0.1', '-f', 'null', '-'], blame: 'ENGINE_FAILED', line() {} };",
    'const context = { signal: new AbortController().signal, settings: { modelsRoot: "", cpuThreads: 1 } };',
    'await Promise.all([runFfmpeg(run, context), runFfmpeg(run, context)]);',
    'await runFfmpeg(run, context);',
  ].join('\n');
  await using dir = await tempDir();
  const path = join(dir.path, 'program.mjs');
  await writeFile(path, program);
  const child = spawn(process.execPath, [path], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0);
});
