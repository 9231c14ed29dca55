// Videos by the stand-in: what the binary writes itself, and what ffmpeg makes of it.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import type { Behaviour } from '../../../fixtures/sd-cpp/behaviour.ts';
import { findFfmpeg } from '../../../src/engines/ffmpeg/find-ffmpeg.ts';
import { inspectVideo } from '../../../src/engines/ffmpeg/inspect-video.ts';
import { aviFrames } from '../../../src/engines/sd-cpp/check-video.ts';
import { engineSettings } from '../../workers/rig.ts';
import { bytesOf, hearing, imageTask, openScene, type Scene, useStandIn, videoTask } from './scene.ts';

useStandIn('server');
const noFfmpeg = await findFfmpeg('').then(
  () => false as const,
  (thrown: Error) => thrown.message,
);

const videoModel = async (scene: Scene) =>
  scene.load([await scene.file('diffusion-model', { video: true, multiple: 16 })]);

describe('videos', () => {
  test('as the binary writes them', async () => {
    await using scene = await openScene();
    const model = await videoModel(scene);
    const context = await hearing(scene);
    const task = { width: 72, seconds: 1 };
    const avi = await bytesOf(model, videoTask('a fox', { ...task, ext: 'avi' }), context);
    assert.deepEqual([avi.ext, aviFrames(avi.file).length], ['avi', 9]);
    assert.equal(context.progressed.at(-1)?.ratio, 1);
    const webp = await bytesOf(model, videoTask('a fox', { ...task, ext: 'webp' }), await hearing(scene));
    const facts = await sharp(webp.file, { animated: true }).metadata();
    assert.deepEqual([webp.ext, facts.pages, facts.width, facts.pageHeight], ['webp', 9, 80, 64]);
  });

  for (const ext of ['mp4', 'webm', 'gif'] as const) {
    test(`as ${ext}, by ffmpeg`, { skip: noFfmpeg }, async () => {
      await using scene = await openScene();
      const model = await videoModel(scene);
      const { ext: got, file } = await bytesOf(model, videoTask('a fox', { ext, seconds: 1 }), await hearing(scene));
      assert.equal(got, ext);
      const path = join(scene.root, `video.${ext}`);
      await writeFile(path, file);
      const settings = engineSettings(scene.root);
      const facts = await inspectVideo(path, { signal: new AbortController().signal, settings });
      assert.deepEqual([facts.width, facts.height, facts.frames], [64, 64, 9]);
    });
  }

  test('are refused without ffmpeg before anything is generated, and never come in another format', async () => {
    await using scene = await openScene();
    const model = await videoModel(scene);
    const { PATH } = process.env;
    const empty = join(scene.root, 'empty');
    await mkdir(empty);
    process.env.PATH = empty;
    try {
      const context = await hearing(scene);
      await assert.rejects(model.run(videoTask('a fox', { ext: 'mp4' }), context), {
        code: 'ENGINE_UNAVAILABLE',
        message: /^a video as mp4 needs ffmpeg \(webp and avi do not\): .*apt-get install ffmpeg/,
      });
      assert.deepEqual(context.progressed, []);
    } finally {
      process.env.PATH = PATH;
    }
    const odd = model.run(videoTask('a fox', { ext: 'mkv' }), await hearing(scene));
    await assert.rejects(odd, { code: 'INPUT_INVALID', message: /as `mkv`; it writes: mp4, webm, gif, webp, avi/ });
  });

  test('that are not whole do not count', async () => {
    await using scene = await openScene();
    const model = await videoModel(scene);
    for (const [result, message] of [
      ['truncated', /cannot be decoded/],
      ['bad-avi', /cannot be decoded/],
      ['few-frames', /has 1 frames instead of 5/],
      ['wrong-size', /32x64 instead of 64x64/],
      ['html', /cannot be decoded/],
    ] as const satisfies readonly (readonly [Behaviour['result'], RegExp])[]) {
      const run = model.run(videoTask({ result }, { ext: 'avi' }), await hearing(scene));
      await assert.rejects(run, { code: 'ENGINE_FAILED', message });
    }
  });

  test('are not asked of a model for images, nor images of one for videos', async () => {
    await using scene = await openScene();
    const images = await scene.load([await scene.file('model')]);
    const asked = images.run(videoTask('a fox', { ext: 'avi' }), await hearing(scene));
    await assert.rejects(asked, { code: 'MODEL_INVALID', message: 'this model makes images, not videos' });
    const videos = await videoModel(scene);
    const still = videos.run(imageTask('a fox'), await hearing(scene));
    await assert.rejects(still, { code: 'MODEL_INVALID', message: 'this model makes videos, not images' });
    const speech = videos.run({ kind: 'audio_tts', text: 'a', voice: 'v', ext: 'wav' }, await hearing(scene));
    await assert.rejects(speech, { code: 'KIND_UNSUPPORTED', message: 'sd-cpp engine cannot serve audio_tts tasks' });
  });
});

test('a video by sd-cli', async () => {
  delete process.env.STUDIO_WORKER_SD_SERVER;
  useStandIn('cli');
  await using scene = await openScene();
  const model = await videoModel(scene);
  const { file } = await bytesOf(model, videoTask('a fox', { ext: 'avi' }), await hearing(scene));
  assert.equal(aviFrames(file).length, 5);
  assert.ok((await readFile(join(scene.root, 'starts.jsonl'), 'utf8')).includes('"-M","vid_gen"'));
});
