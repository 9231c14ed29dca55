// A model driven by sd-cli, played by the stand-in: one process a job, and every way in which that can end.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { isAlive } from '../../workers/rig.ts';
import { bytesOf, hearing, imageTask, openScene, useStandIn } from './scene.ts';

useStandIn('cli');

describe('a model driven by sd-cli', () => {
  test('makes pictures, one process each, and never reads a tag of the prompt', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const context = await hearing(scene);
    const task = imageTask('a fox <lora:/etc/passwd:1>', { ext: 'bmp', width: 66, seed: 9 });
    const { ext, file } = await bytesOf(model, task, context);
    assert.equal(ext, 'bmp');
    assert.deepEqual([file.toString('latin1', 0, 2), file.readInt32LE(18), file.readInt32LE(22)], ['BM', 72, 64]);
    assert.deepEqual(context.progressed.at(-1), { ratio: 1 });
    assert.ok(!context.lines.some((line) => line.includes('passwd')));
    assert.ok(context.lines.includes('generating image: 1/1 - seed 9'));
    const [start] = await scene.starts();
    assert.equal(start?.name, 'sd-cli');
    assert.ok(start?.args.includes('a fox <lora /etc/passwd:1>'));
  });

  test('loads the LoRA files of the model, and only those', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model'), await scene.file('lora')]);
    const context = await hearing(scene);
    await bytesOf(model, imageTask('<lora:/etc/passwd:1>'), context);
    assert.equal(context.lines.filter((line) => /^loading LoRA from '.*\/loras\/lora1\.gguf'/.test(line)).length, 1);
    assert.ok(!context.lines.some((line) => line.includes('/etc')));
  });

  test('does not count a file that is missing, broken or of another size', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    for (const [result, message] of [
      ['missing', /wrote no file/],
      ['png-appended', /wrote no file/],
      ['truncated', /cannot be decoded/],
      ['wrong-size', /32x64 instead of 64x64/],
    ] as const) {
      const run = model.run(imageTask({ result }), await hearing(scene));
      await assert.rejects(run, { code: 'ENGINE_FAILED', retryable: true, message });
    }
  });

  test('tells ends apart', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const bad = await scene.load([await scene.file('model2', 'nothing')].map((file) => ({ ...file, role: 'model' })));
    const video = await scene.load([await scene.file('diffusion-model', { video: true })]);
    for (const [loaded, prompt, code, message] of [
      [model, { exit: 1, words: ['it is broken'] }, 'ENGINE_FAILED', /^sd-cli exited with 1: it is broken/],
      [model, { signal: 'SIGKILL' }, 'ENGINE_CRASHED', /memory ran out/],
      [bad, 'a fox', 'MODEL_INVALID', /./],
      [video, 'a fox', 'ENGINE_CRASHED', /SIGFPE.*video model/],
    ] as const) {
      await assert.rejects(loaded.run(imageTask(prompt), await hearing(scene)), { code, message });
    }
  });

  test('is killed on a cancel, and the next job runs', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const context = await hearing(scene);
    const run = model.run(imageTask({ hang: true }), context);
    await context.stepped;
    context.controller.abort(new Error('hung'));
    await assert.rejects(run, { message: 'hung' });
    const [start] = await scene.starts();
    assert.equal(isAlive(start?.pid ?? 0), false);
    const { file } = await bytesOf(model, imageTask('again'), await hearing(scene));
    assert.equal((await sharp(file).metadata()).width, 64);
  });
});
