// Object removal from offer to picture: the real runtime in a real engine process, on models made by a script whose
// pixels can be foretold.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import sharp from 'sharp';
import { onnx } from '../../../src/engines/onnx/descriptor.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { ears, isAlive, openRig, syntheticJob } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { dataUrl, pngUrl } from '../data-url.ts';
import { GREY, removalJob, writeModels } from './models.ts';

const models = await writeModels();
after(() => models[Symbol.asyncDispose]());

const engine = { modelsRoot: models.root, gpu: 'cpu' } as const;
const open = () => openRig({ extraEngines: [onnx], engine });

conformance({
  title: 'the onnx engine',
  extraEngines: [onnx],
  settings: engine,
  jobs: [removalJob()],
  slowJob: removalJob({ width: 1024, height: 1024 }),
  wrongJob: removalJob({ maskUrl: undefined }),
});

async function pictureOf(rig: Awaited<ReturnType<typeof open>>, job: HostJob) {
  const heard = ears();
  const result = await rig.host.run(job, heard).done;
  const file = Buffer.concat(heard.chunks);
  const { format, width, height, channels } = await sharp(file).metadata();
  const raw = await sharp(file).raw().toBuffer();
  const at = (x: number, y: number) => [...raw.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
  return { ext: result.kind === 'bytes' && result.ext, format, width, height, channels, at, heard };
}

test('what is masked is filled, what is not stays, whatever the range of the model’s answer', async () => {
  await using rig = await open();
  for (const model of ['lama', 'lama-unit', 'lama-open']) {
    const { at, heard, ...picture } = await pictureOf(rig, removalJob({}, { model }));
    assert.deepEqual(picture, { ext: 'png', format: 'png', width: 96, height: 64, channels: 3 }, model);
    assert.deepEqual(at(48, 32), [204, 102, GREY], model);
    for (const [x, y] of [
      [0, 0],
      [95, 63],
      [10, 32],
      [48, 5],
    ] as const)
      assert.deepEqual(at(x, y), [GREY, GREY, GREY]);
    if (model === 'lama') assert.ok(heard.lines.some((line) => /LaMa is loaded on cpu.*1 threads/.test(line)));
  }
  const [loaded] = rig.host.models();
  assert.ok(loaded?.memoryBytes !== undefined && loaded.memoryBytes > 2 ** 20);
});

test('the result has the size of the task, also when picture and mask have others', async () => {
  await using rig = await open();
  const mask = await pngUrl(24, 16, (x) => [x < 12 ? 255 : 0]);
  const { width, height, at } = await pictureOf(rig, removalJob({ width: 200, height: 120, maskUrl: mask }));
  assert.deepEqual([width, height, at(20, 60), at(180, 60)], [200, 120, [204, 102, GREY], [GREY, GREY, GREY]]);
  const { width: own } = await pictureOf(
    rig,
    removalJob({ width: 0, height: 0 }, { cliDefaults: { width: 80, height: 40 } }),
  );
  assert.equal(own, 80);
});

test('only png is PNG, everything else is WebP, and the extension is the one that was asked for', async () => {
  await using rig = await open();
  for (const [ext, format] of [
    ['png', 'png'],
    ['webp', 'webp'],
    ['jpg', 'webp'],
    ['PNG', 'webp'],
  ] as const) {
    const picture = await pictureOf(rig, removalJob({ ext }));
    assert.deepEqual([picture.ext, picture.format], [ext, format]);
    assert.deepEqual(picture.at(0, 0), [GREY, GREY, GREY]);
  }
});

describe('a wrong job is refused with what is wrong about it:', () => {
  const url = (file: Uint8Array) => dataUrl(file);
  const blank = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: 'red' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');

  test('inputs and sizes', async () => {
    await using rig = await open();
    const cut = (await blank(300, 300)).subarray(0, 300);
    for (const [more, message] of [
      [{ initImageUrl: undefined }, /`initImageUrl`/],
      [{ initImageUrl: '' }, /`initImageUrl`/],
      [{ maskUrl: undefined }, /`maskUrl`/],
      [{ initImageUrl: url(Buffer.from('hello')) }, /the init image is not a picture/],
      [{ maskUrl: url(Buffer.from('hello')) }, /the mask is not a picture/],
      [{ maskUrl: 'data:image/png;base64,' }, /the mask is empty/],
      [{ initImageUrl: url(svg) }, /the init image is a svg file; these can be read: PNG/],
      [{ initImageUrl: url(cut) }, /the init image is not a picture that can be read/],
      [{ initImageUrl: url(await blank(8000, 5000)) }, /the init image has 40\.0 megapixels/],
      [{ width: 4097 }, /4097x64 is out of range/],
    ] as const) {
      const end = rig.host.run(removalJob(more as object), ears()).done;
      await assert.rejects(end, { code: 'INPUT_INVALID', retryable: false, message });
    }
    const negative = removalJob();
    const { done } = rig.host.run({ ...negative, task: { ...negative.task, width: -96 } as never }, ears());
    await assert.rejects(done, { code: 'INPUT_INVALID', message: /-96x64 is out of range/ });
    for (const initImageUrl of ['file:///etc/hostname', 'http://192.0.2.1/x.png']) {
      await assert.rejects(rig.host.run(removalJob({ initImageUrl }), ears()).done, { retryable: false });
    }
    assert.equal(rig.host.models().length, 1);
    // Nothing of the inputs is left.
    const left = await readdir(rig.scratchRoot, { recursive: true });
    assert.deepEqual(
      left.filter((name) => /run-/.test(name)),
      [],
    );
  });

  test('another kind', async () => {
    await using rig = await open();
    const job = syntheticJob('llm', 'hi', { engine: 'onnx', model: 'lama', files: removalJob().source.files });
    await assert.rejects(rig.host.run(job, ears()).done, { code: 'KIND_UNSUPPORTED', retryable: false });
  });
});

test('a wrong model is refused with what is wrong about it, and nothing stays loaded', async () => {
  await using rig = await open();
  for (const [model, message] of [
    ['other-names', /expected inputs image float32 \[1,3,512,512\] and mask.*found inputs image.*l_mask_/],
    ['half', /found inputs image float16 \[1,3,256,256\]/],
    ['cut', /cut off, 250 bytes/],
    ['garbled', /cannot load the model/],
  ] as const) {
    const end = rig.host.run(removalJob({}, { model }), ears()).done;
    await assert.rejects(end, { code: 'MODEL_INVALID', retryable: false, message }, model);
  }
  const files = [{ role: 'vae', url: 'https://models.invalid/lama/model.onnx', filename: 'model.onnx' }];
  await assert.rejects(rig.host.run(removalJob({}, { files }), ears()).done, { code: 'MODEL_SOURCE_MISSING' });
  await rig.until(() => rig.host.models().length === 0);
});

test('a GPU that was demanded and is not there fails the job, and no process dies of it', async () => {
  for (const gpu of ['cuda', 'vulkan'] as const) {
    await using rig = await openRig({ extraEngines: [onnx], engine: { ...engine, gpu } });
    const end = rig.host.run(removalJob(), ears()).done;
    await assert.rejects(end, { code: 'ENGINE_UNAVAILABLE', message: new RegExp(`cannot compute on ${gpu}`) });
  }
});

test('works beside another modality, and leaves with its memory', async () => {
  await using rig = await openRig({ extraEngines: [onnx], engine, keepAliveMs: 0 });
  const [picture, film] = [ears(), ears()];
  const jobs = [
    rig.host.run(removalJob({ width: 512, height: 512 }), picture),
    rig.host.run(syntheticJob('video'), film),
  ];
  await picture.running;
  const pid = rig.host.models().find(({ engine: id }) => id === 'onnx')?.pid ?? 0;
  assert.ok(isAlive(pid));
  for (const { done } of jobs) assert.equal((await done).kind, 'bytes');
  await rig.until(() => rig.host.models().length === 0);
  assert.equal(isAlive(pid), false);
});
