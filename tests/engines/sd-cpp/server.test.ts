// A model in a warm sd-server, played by the stand-in: results, cancels, deaths, ports.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { isAlive } from '../../workers/rig.ts';
import { bytesOf, hearing, imageTask, openScene, useStandIn } from './scene.ts';

useStandIn('server');

describe('a model in a warm sd-server', () => {
  test('serves many jobs with one start, in the asked size and format', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    for (const [asked, ext, format] of [
      ['png', 'png', 'png'],
      ['jpeg', 'jpg', 'jpeg'],
      ['webp', 'webp', 'webp'],
      ['xyz', 'webp', 'webp'],
    ] as const) {
      const context = await hearing(scene);
      const result = await bytesOf(model, imageTask('a fox', { ext: asked, width: 128 }), context);
      assert.equal(result.ext, ext);
      const facts = await sharp(result.file).metadata();
      assert.deepEqual([facts.format, facts.width, facts.height], [format, 128, 64]);
      const ratios = context.progressed.map(({ ratio }) => ratio);
      assert.deepEqual(
        ratios,
        ratios.toSorted((a, b) => a - b),
      );
      const steps = context.progressed.flatMap(({ step, steps }) => (step === undefined ? [] : [[step, steps]]));
      assert.deepEqual(steps, [
        [1, 3],
        [2, 3],
        [3, 3],
      ]);
      assert.equal(ratios.at(-1), 1);
    }
    const [start, ...more] = await scene.starts();
    assert.deepEqual(more, []);
    assert.equal(start?.backtrace, '1');
    // An empty private folder: sd-server looks around in its current one.
    assert.deepEqual(await readdir(start?.cwd ?? ''), []);
    assert.ok((model.memoryBytes ?? 0) > 0);
    assert.equal(model.holderPid, start?.pid);
    await model[Symbol.asyncDispose]();
    assert.equal(isAlive(start?.pid ?? 0), false);
  });

  test('a seed is passed on, and is another each time when none was asked for', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const make = async (seed?: number) => {
      const context = await hearing(scene);
      const { file } = await bytesOf(model, imageTask('a fox', seed === undefined ? {} : { seed }), context);
      return { file, said: context.lines.find((line) => line.startsWith('generating image')) };
    };
    assert.match((await make(7)).said ?? '', /seed 7$/);
    assert.match((await make(2 ** 63 + 2 ** 12)).said ?? '', /seed 4096$/);
    const [one, two] = [await make(), await make()];
    assert.notDeepEqual(one.file, two.file);
    assert.doesNotMatch(one.said ?? 'seed 42', /seed 42$/);
  });

  test('a running job that is cancelled ends the server, and the next job starts another', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const context = await hearing(scene);
    const run = model.run(imageTask({ hang: true }), context);
    await context.stepped;
    const queued = await hearing(scene);
    const waiting = bytesOf(model, imageTask('waits its turn'), queued);
    context.controller.abort(new Error('enough'));
    await assert.rejects(run, { message: 'enough' });
    // The one that waited in the queue is carried over.
    assert.ok((await waiting).file.byteLength > 0);
    assert.ok(queued.lines.some((line) => /starting it again/.test(line)));
    assert.equal((await scene.starts()).length, 2);
  });

  test('a job that is cancelled in the queue leaves the running one alone', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const gate = join(scene.root, 'gate');
    const first = await hearing(scene);
    const running = bytesOf(model, imageTask({ gate }), first);
    await first.stepped;
    const second = await hearing(scene);
    const queued = model.run(imageTask('never made'), second);
    const third = await hearing(scene);
    const last = bytesOf(model, imageTask('made'), third);
    second.controller.abort(new Error('not needed'));
    await assert.rejects(queued, { message: 'not needed' });
    await writeFile(gate, '');
    await Promise.all([running, last]);
    assert.equal((await scene.starts()).length, 1);
    assert.ok(!second.lines.some((line) => line.startsWith('generating')));
    assert.equal(first.lines.filter((line) => line.startsWith('generating')).length, 1);
    assert.equal(third.lines.filter((line) => line.startsWith('generating')).length, 1);
  });

  test('a crash fails its job as retryable, and the next job runs', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const crash = { signal: 'SIGSEGV', words: ['ggml.c:1: GGML_ASSERT(x) failed'] } as const;
    await assert.rejects(model.run(imageTask(crash), await hearing(scene)), {
      code: 'ENGINE_CRASHED',
      retryable: true,
      message: /sd-server was ended by SIGSEGV: .*GGML_ASSERT.*text encoder or VAE/,
    });
    await bytesOf(model, imageTask('again'), await hearing(scene));
    assert.equal((await scene.starts()).length, 2);
  });

  test('one that died between two jobs is started again, and one that hears nothing any more is ended', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    const first = (await scene.starts())[0]?.pid ?? 0;
    process.kill(first, 'SIGKILL');
    while (isAlive(first)) await new Promise((resolve) => setTimeout(resolve, 5));
    const context = await hearing(scene);
    const run = model.run(imageTask({ gate: join(scene.root, 'gate') }), context);
    await context.stepped;
    const second = (await scene.starts())[1]?.pid ?? 0;
    process.kill(second, 'SIGSTOP');
    context.controller.abort(new Error('hung'));
    await assert.rejects(run, { message: 'hung' });
    assert.equal(isAlive(second), false);
    await bytesOf(model, imageTask('a fox'), await hearing(scene));
  });

  test('refusals of the server are the fault of the job, or of the model', async () => {
    await using scene = await openScene();
    const refusing = await scene.load([await scene.file('model', { refuse: "load image from '/x/y.png' failed" })]);
    await assert.rejects(refusing.run(imageTask('a fox'), await hearing(scene)), {
      code: 'INPUT_INVALID',
      message: /^sd-server refused img_gen with 400 \(invalid generation parameters\)/,
    });
    const modeless = await scene.load([
      await scene.file('vae'),
      await scene.file('model', { modeless: true, video: true }),
    ]);
    await assert.rejects(modeless.run(imageTask('a fox'), await hearing(scene)), {
      code: 'MODEL_INVALID',
      message: /does not support img_gen/,
    });
  });

  test('results that do not count although the job is completed', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model')]);
    for (const [result, message] of [
      ['missing', /sent no file/],
      ['empty', /sent no file/],
      ['truncated', /cannot be decoded/],
      ['html', /cannot be decoded/],
      ['wrong-size', /32x64 instead of 64x64/],
    ] as const) {
      const run = model.run(imageTask({ result }), await hearing(scene));
      await assert.rejects(run, { code: 'ENGINE_FAILED', retryable: true, message });
    }
    await assert.rejects(model.run(imageTask({ failed: 'no luck' }), await hearing(scene)), {
      code: 'ENGINE_FAILED',
      message: /generation_failed: no luck/,
    });
    const forgotten = (status: 404 | 410) =>
      hearing(scene).then((context) => model.run(imageTask({ forgotten: status }), context));
    await assert.rejects(forgotten(410), { code: 'ENGINE_FAILED', message: /job expired/ });
    assert.equal((await scene.starts()).length, 1);
    // Another server must have taken over the port, so the next job gets a new one.
    await assert.rejects(forgotten(404), { code: 'ENGINE_FAILED', message: /job not found/ });
    await bytesOf(model, imageTask('a fox'), await hearing(scene));
    assert.equal((await scene.starts()).length, 2);
  });

  test('a full queue is waited for', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model', { full: 1 })]);
    const context = await hearing(scene);
    await bytesOf(model, imageTask('a fox'), context);
    assert.equal(context.progressed.at(0)?.ratio, 0);
  });

  test('a size that the model rounds up is told and kept', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model', { multiple: 16 })]);
    const context = await hearing(scene);
    const { file } = await bytesOf(model, imageTask('a fox', { width: 65 }), context);
    assert.equal((await sharp(file).metadata()).width, 80);
    assert.ok(context.lines.includes('the picture is 80x64: this model cannot make 65x64'));
  });

  test('a LoRA file is sent by the name that the server lists', async () => {
    await using scene = await openScene();
    const model = await scene.load([await scene.file('model'), await scene.file('lora')]);
    await bytesOf(model, imageTask('a fox <lora:/etc/passwd:1>'), await hearing(scene));
    const [start] = await scene.starts();
    const dir = start?.args[start.args.indexOf('--lora-model-dir') + 1] ?? '';
    assert.ok((await readdir(dir)).includes('lora1.gguf'));
  });
});

describe('an sd-server that starts badly', () => {
  test('takes another port when its own was taken', async () => {
    await using scene = await openScene();
    const startsFile = join(scene.root, 'starts');
    const model = await scene.load([await scene.file('model', { portTaken: 1, startsFile })]);
    await bytesOf(model, imageTask('a fox'), await hearing(scene));
    const ports = (await scene.starts()).map(({ args }) => args[args.indexOf('--listen-port') + 1]);
    assert.equal(new Set(ports).size, 2);
  });

  test('gives up after three ports, and when it answers for another model', async () => {
    await using scene = await openScene();
    const startsFile = join(scene.root, 'starts');
    const taken = await scene.file('model', { portTaken: 9, startsFile });
    await assert.rejects(scene.load([taken]), { code: 'ENGINE_FAILED', message: /port taken 3 times/ });
    await assert.rejects(scene.load([await scene.file('model', { path: '/other.gguf' })]), { code: 'ENGINE_FAILED' });
    for (const { pid } of await scene.starts()) assert.equal(isAlive(pid), false);
  });

  test('says what is wrong with the model', async () => {
    await using scene = await openScene();
    const gone = { role: 'vae', filename: 'gone.gguf', path: '/nowhere/gone.gguf' };
    for (const [content, code, message] of [
      ['not a model', 'MODEL_INVALID', /unknown format model\.gguf/],
      ['', 'MODEL_INVALID', /is empty/],
      [{ load: 'oom' }, 'VRAM_EXHAUSTED', /bad_alloc.*memory ran out/],
      [{ load: 'signal' }, 'ENGINE_CRASHED', /SIGABRT/],
    ] as const) {
      await assert.rejects(scene.load([await scene.file('model', content)]), { code, message });
    }
    const model = await scene.file('model');
    for (const [files, code, message] of [
      [[model, await scene.file('t5xxl', 'not a model')], 'MODEL_INVALID', /loading t5xxl from 't5xxl\.gguf' failed/],
      [[model, gone], 'MODEL_SOURCE_MISSING', /gone\.gguf/],
      [[await scene.file('vae')], 'MODEL_SOURCE_MISSING', /`diffusion-model` or `model`.*vae/],
      [[], 'MODEL_SOURCE_MISSING', /roles: none/],
    ] as const) {
      await assert.rejects(scene.load(files), { code, message });
    }
  });

  test('is ended when the load is given up', async () => {
    await using scene = await openScene();
    const controller = new AbortController();
    const load = scene.load([await scene.file('model', { load: 'hang' })], { signal: controller.signal });
    const end = assert.rejects(load, { message: 'hung' });
    while ((await scene.starts()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(new Error('hung'));
    await end;
    const [start] = await scene.starts();
    while (isAlive(start?.pid ?? 0)) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});
