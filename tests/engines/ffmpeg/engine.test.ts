// Films from offer to file, with the real ffmpeg, read back with ffprobe and frame by frame.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { ffmpeg } from '../../../src/engines/ffmpeg/descriptor.ts';
import { engine } from '../../../src/engines/ffmpeg/engine.ts';
import { probe } from '../../../src/engines/ffmpeg/probe.ts';
import type { VideoTask } from '../../../src/protocol/index.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { type TempDir, tempDir } from '../../supervisor/temp-dir.ts';
import { ears, engineSettings, openRig, syntheticJob, task } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { dataUrl, pngUrl } from '../data-url.ts';
import { ffmpegPath, noFfmpeg } from './have-ffmpeg.ts';
import { ffprobe, framesOf, make } from './media.ts';

const extraEngines = [ffmpeg];

function film(more: Partial<VideoTask> = {}, model = 'ffmpeg', prompt = 'a red fox'): HostJob {
  const own = { width: 64, height: 48, seconds: 0.5, fps: 12, ext: 'mp4' };
  return syntheticJob('video', '', { engine: 'ffmpeg', model, task: task('video', prompt, { ...own, ...more }) });
}

const films = await openRig({ extraEngines });
after(() => films[Symbol.asyncDispose]());

/** Runs the job and writes what came to a file. */
async function made(job: HostJob, path: string) {
  const heard = ears();
  const result = await films.host.run(job, heard).done;
  const file = Buffer.concat(heard.chunks);
  await writeFile(path, file);
  return { ext: result.kind === 'bytes' && result.ext, file, heard };
}

if (noFfmpeg) test('the ffmpeg engine conforms', { skip: noFfmpeg }, () => {});
else {
  conformance({
    title: 'the ffmpeg engine',
    extraEngines,
    jobs: [film()],
    slowJob: film({ width: 320, height: 240, seconds: 2, fps: 24 }),
    wrongJob: film({ ext: 'avi' }),
  });
}

describe('a film', { skip: noFfmpeg }, () => {
  for (const [ext, model, codec, format, rate] of [
    ['mp4', 'ffmpeg', 'h264', 'mp4', '12/1'],
    ['webm', 'ffmpeg-zoom-out', 'vp9', 'webm', '12/1'],
    ['mp4', 'ffmpeg-av1', 'av1', 'mp4', '12/1'],
    ['webm', 'ffmpeg-still-av1', 'av1', 'webm', '12/1'],
    ['gif', 'ffmpeg-pan-left', 'gif', 'gif', undefined],
  ] as const) {
    test(`in ${ext} of \`${model}\` is ${codec} in the size, rate and length that were asked for`, async () => {
      await using dir = await tempDir();
      const path = dir.file(`film.${ext}`);
      const { ext: told, heard } = await made(film({ ext }, model), path);
      const { stream, format: found } = await ffprobe(path);
      assert.equal(told, ext);
      assert.deepEqual([stream.codec_name, stream.width, stream.height], [codec, 64, 48]);
      assert.ok(found.format_name.includes(format));
      assert.ok(Math.abs(Number(found.duration) - 0.5) < 0.06, found.duration);
      if (rate) assert.equal(stream.avg_frame_rate, rate);
      assert.equal((await framesOf(path, 64, 48)).length, 6);
      const last = heard.progressed.at(-1) as { ratio: number; step?: number; steps?: number };
      assert.deepEqual([last.ratio, last.step, last.steps], [1, 6, 6]);
    });
  }

  test('shows the init image, over which the camera moves', async () => {
    await using dir = await tempDir();
    // Left of the middle red, right of it blue.
    const initImageUrl = await pngUrl(320, 240, (x) => (x < 160 ? [255, 0, 0] : [0, 0, 255]));
    const border = (frame: Buffer | undefined, width: number) =>
      Array.from({ length: width }, (_, x) => x).find((x) => (frame?.[(20 * width + x) * 3] ?? 0) < 128);
    const at = async (model: string) => {
      const path = dir.file(`${model}.mp4`);
      await made(film({ initImageUrl }, model), path);
      const frames = await framesOf(path, 64, 48);
      return [border(frames[0], 64), border(frames.at(-1), 64)];
    };
    // The window is 64 of 80 pixels wide: the middle of the picture stands at 40 in it, then at 24.
    const near = (found: (number | undefined)[], expected: number[]) =>
      found.forEach((x, i) => {
        assert.ok(Math.abs((x ?? 99) - (expected[i] ?? 0)) <= 1, `${found} is not ${expected}`);
      });
    near(await at('ffmpeg-pan-right'), [40, 24]);
    near(await at('ffmpeg-pan-left'), [24, 40]);
    near(await at('ffmpeg-still'), [32, 32]);
    near(await at('ffmpeg-zoom-in'), [32, 32]);
  });

  test('comes closer or goes away', async () => {
    await using dir = await tempDir();
    // A white square, half as wide as the picture.
    const initImageUrl = await pngUrl(256, 192, (x, y) =>
      Math.abs(x - 127.5) < 64 && Math.abs(y - 95.5) < 64 ? [255, 255, 255] : [0, 0, 0],
    );
    const white = (frame: Buffer | undefined) =>
      Array.from({ length: 64 }, (_, x) => frame?.[(24 * 64 + x) * 3] ?? 0).filter((value) => value > 128).length;
    for (const [model, first, last] of [
      ['ffmpeg-zoom-in', 32, 40],
      ['ffmpeg-zoom-out', 40, 32],
    ] as const) {
      const path = dir.file(`${model}.webm`);
      await made(film({ initImageUrl, ext: 'webm' }, model), path);
      const frames = await framesOf(path, 64, 48);
      const found = [white(frames[0]), white(frames.at(-1))];
      assert.ok(Math.abs((found[0] ?? 0) - first) <= 1 && Math.abs((found[1] ?? 0) - last) <= 1, `${model}: ${found}`);
    }
  });

  test('of the same prompt has the same bytes, of another one others', async () => {
    await using dir = await tempDir();
    const path = dir.file('film');
    const files = [];
    for (const prompt of ['a', 'a', 'b']) files.push((await made(film({}, 'ffmpeg', prompt), path)).file);
    assert.ok(files[0]?.equals(files[1] ?? Buffer.alloc(0)));
    assert.ok(!files[0]?.equals(files[2] ?? Buffer.alloc(0)));
    assert.doesNotMatch(files[0]?.toString('latin1') ?? '', /Lavf\d/);
  });

  test('of one frame, and of a still gif whose frames do not differ, is as long as asked', async () => {
    await using dir = await tempDir();
    const one = dir.file('one.mp4');
    await made(film({ seconds: 0.01 }), one);
    assert.equal((await framesOf(one, 64, 48)).length, 1);
    const still = dir.file('still.gif');
    await made(film({ ext: 'gif', seconds: 1, fps: 10 }, 'ffmpeg-still'), still);
    assert.ok(Math.abs(Number((await ffprobe(still)).format.duration) - 1) <= 0.11);
  });
});

describe('the ffmpeg engine refuses', { skip: noFfmpeg }, () => {
  test('what is wrong about a job, and keeps working', async () => {
    await using rig = await openRig({ extraEngines });
    const initImageUrl = dataUrl(Buffer.from('this is no picture'));
    for (const [job, message] of [
      [film({ initImageUrl }), /the init image is not a picture/],
      [film({ initImageUrl: 'data:image/png;base64,' }), /the init image is empty/],
      [film({ width: 65 }), /odd/],
      [film({ seconds: -2 }), /-2 seconds/],
      [film({ ext: 'exe' }), /`exe`/],
    ] as const) {
      await assert.rejects(rig.host.run(job, ears()).done, { code: 'INPUT_INVALID', retryable: false, message });
    }
    assert.equal((await rig.host.run(film(), ears()).done).kind, 'bytes');
  });

  test('the name of a model that it is not', async () => {
    await using rig = await openRig({ extraEngines });
    const end = rig.host.run(film({}, 'wan2.2-ti2v'), ears()).done;
    await assert.rejects(end, { code: 'MODEL_INVALID', message: /no model `wan2\.2-ti2v`.*; it has: ffmpeg, / });
    await assert.rejects(rig.host.run({ ...film(), task: task('llm', 'hi') }, ears()).done, {
      code: 'KIND_UNSUPPORTED',
    });
    // The host knows both from the descriptor; the engine itself does not rely on it.
    const nothing = () => {};
    const own = { signal: new AbortController().signal, settings: engineSettings(''), scratchDir: '', log: nothing };
    const load = (model: string) =>
      engine.load({ key: model, model, source: film().source }, { ...own, files: [], progress: nothing });
    await assert.rejects(load('wan2.2-ti2v'), { code: 'MODEL_INVALID' });
    await using loaded = await load('ffmpeg');
    const run = loaded.run(task('llm', 'hi'), {
      ...own,
      progress: nothing,
      token: nothing,
      reasoning: nothing,
      partial: nothing,
    });
    await assert.rejects(run, { code: 'KIND_UNSUPPORTED', retryable: false });
  });
});

describe('an ffmpeg that is not what it should be', {
  skip: noFfmpeg || (process.platform === 'win32' && 'a shell script'),
}, () => {
  /** A models folder with an ffmpeg of its own: the real one, but for what `script` does first. */
  async function scripted(dir: TempDir, script: string) {
    await mkdir(dir.file('bin'));
    await writeFile(dir.file('bin/ffmpeg'), `#!/bin/sh\n${script}\nexec ${ffmpegPath} "$@"\n`, { mode: 0o755 });
    return openRig({ extraEngines, engine: { modelsRoot: dir.path } });
  }

  test('writes another film than was asked for, and ends with 0: the job fails', async () => {
    await using dir = await tempDir();
    const wrong = dir.file('wrong.mp4');
    await make('-f lavfi -i testsrc=duration=1:size=64x64:rate=8', wrong);
    const last = 'for last in "$@"; do :; done';
    await using rig = await scripted(
      dir,
      `${last}\ncase "$last" in *film.mp4) cp ${wrong} "\${last#file:}"; exit 0;; esac`,
    );
    await assert.rejects(rig.host.run(film(), ears()).done, {
      ...{ code: 'ENGINE_FAILED', retryable: true },
      message: 'the mp4 that ffmpeg wrote is not what was asked: 64x64, 8 frames, 1.00 s, not 64x48, 6 frames, 0.50 s',
    });
  });

  test('writes nothing, and ends with 0: the job fails', async () => {
    await using dir = await tempDir();
    const last = 'for last in "$@"; do :; done';
    await using rig = await scripted(dir, `${last}\ncase "$last" in *film.mp4) exit 0;; esac`);
    await assert.rejects(rig.host.run(film(), ears()).done, { code: 'ENGINE_FAILED', message: /wrote no file/ });
  });

  test('has no encoder for what is asked: that is said, by the job and by the probe', async () => {
    await using dir = await tempDir();
    await using rig = await scripted(dir, 'case "$*" in *-encoders) echo " V....D libvpx-vp9  VP9"; exit 0;; esac');
    await assert.rejects(rig.host.run(film(), ears()).done, {
      ...{ code: 'ENGINE_UNAVAILABLE', retryable: false },
      message: /has no encoder for h264 \(libx264, libopenh264, h264_videotoolbox\)/,
    });
    assert.equal((await rig.host.run(film({ ext: 'webm' }), ears()).done).kind, 'bytes');
    const report = await probe(engineSettings(dir.path));
    assert.deepEqual([report.ready, /no h264, vp9 \(libvpx-vp9\), no av1/.test(report.detail)], [false, true]);
    assert.match(report.remedy ?? '', /libx264/);
  });
});

test('two films at once are two films', { skip: noFfmpeg }, async () => {
  await using rig = await openRig({ extraEngines, pool: { threads: 1, concurrency: 2 } });
  const heard = [ears(), ears()];
  const jobs = heard.map((ear, i) => rig.host.run(film({}, 'ffmpeg', `film ${i}`), ear));
  await Promise.all(jobs.map(({ done }) => done));
  const [one, other] = heard.map(({ chunks }) => Buffer.concat(chunks));
  assert.ok(one && other && !one.equals(other));
});

describe('the probe', () => {
  test('names the version and the encoders', { skip: noFfmpeg }, async () => {
    const report = await probe(engineSettings(''));
    assert.equal(report.ready, true);
    assert.match(report.detail, /^ffmpeg \S+ at \S+: h264 \(\w+\), /);
  });

  test('says what to install where there is none', async () => {
    const path = process.env.PATH;
    process.env.PATH = '';
    try {
      const report = await probe(engineSettings('/nowhere'));
      assert.deepEqual([report.ready, report.detail.split(':')[0]], [false, 'ffmpeg is not installed']);
      assert.match(report.remedy ?? '', /apt-get install ffmpeg.*brew.*winget/);
    } finally {
      process.env.PATH = path;
    }
  });
});
