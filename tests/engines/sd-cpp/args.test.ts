// The command lines and requests, by tables; what the numbers and prompts of a job may be.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cliArgs, type Runtime, serverArgs } from '../../../src/engines/sd-cpp/args.ts';
import { framesOf, imageGeneration, videoGeneration } from '../../../src/engines/sd-cpp/generation.ts';
import { sortModelFiles } from '../../../src/engines/sd-cpp/model-files.ts';
import { imageRequest, videoRequest } from '../../../src/engines/sd-cpp/request.ts';
import { traitsOf } from '../../../src/engines/sd-cpp/traits.ts';
import type { CliDefaults } from '../../../src/protocol/index.ts';
import { imageTask, videoTask } from './scene.ts';

const OPEN: CliDefaults = { cfgScale: 0, steps: 0, width: 0, height: 0 };
const NEW = traitsOf('stable-diffusion.cpp version master-920-2f88688, commit 2f88688');
const runtime = (defaults: Partial<CliDefaults> = {}, more: Partial<Runtime> = {}): Runtime => ({
  ...{ defaults: { ...OPEN, ...defaults }, threads: 2, traits: NEW },
  ...more,
});
const file = (role: string) => ({ role, filename: role, path: `/m/${role}` });
const generation = (more: Parameters<typeof imageTask>[1] = {}, defaults: Partial<CliDefaults> = {}) =>
  imageGeneration(imageTask('a fox', { width: 0, height: 0, steps: 0, ...more }), { ...OPEN, ...defaults }, () => 5);
const words = (text: string) => text.trim().split(/\s+/);

describe('the command line of sd-cli', () => {
  const out = '/s/out.png';
  const base = { modelArgs: ['--model', '/m/x'], lora: { dir: '', names: [] }, inputs: {}, out };

  test('of a bare task', () => {
    assert.deepEqual(cliArgs({ ...base, generation: generation(), runtime: runtime() }), [
      ...['--model', '/m/x', '--lora-model-dir', '', '-p', 'a fox'],
      ...words('--cfg-scale 1 --steps 8 -W 1024 -H 1024 -o /s/out.png --seed 5 -t 2 --diffusion-fa'),
    ]);
  });

  test('of a task and a model that say everything', () => {
    const files = [
      file('vae'),
      file('text-encoder-vision'),
      file('text-encoder'),
      file('diffusion-model'),
      file('lora'),
    ];
    const defaults = {
      ...{ flowShift: 3, zeroCondT: true, offloadToCpu: true, mmap: true, maxVramGib: 7.5 },
      cfgScale: 4,
    };
    const task = {
      negativePrompt: 'dull',
      cfgScale: 0.55,
      samplingMethod: 'dpm++2m',
      width: 65,
      height: 128,
      steps: 9,
      seed: 7,
    };
    const args = cliArgs({
      ...{ modelArgs: sortModelFiles(files).args, lora: { dir: '/s/loras', names: ['lora1'] }, out },
      generation: generation(task, defaults),
      inputs: { ref: '/s/ref.png', init: '/s/init.png', mask: '/s/mask.png' },
      runtime: runtime(defaults, { backend: 'Vulkan0' }),
    });
    assert.deepEqual(args, [
      ...words('--diffusion-model /m/diffusion-model --vae /m/vae --llm /m/text-encoder --llm_vision'),
      ...['/m/text-encoder-vision', '--lora-model-dir', '/s/loras', '-p', 'a fox <lora:lora1:1>'],
      ...words('--negative-prompt dull -r /s/ref.png --mask /s/mask.png --cfg-scale 0.55 --steps 9 -W 65 -H 128'),
      ...words('-o /s/out.png --seed 7 --sampling-method dpm++2m --flow-shift 3'),
      ...words('--model-args qwen_image_zero_cond_t=true --offload-to-cpu --mmap --max-vram 7.5 -t 2'),
      ...words('--backend Vulkan0 --diffusion-fa'),
    ]);
  });

  test('of a picture made from another', () => {
    const args = cliArgs({
      ...{ ...base, generation: generation({ denoise: 0.4 }), runtime: runtime() },
      inputs: { init: '/s/init.png', mask: '/s/mask.png' },
    });
    assert.match(args.join(' '), / --init-img \/s\/init\.png --strength 0\.4 --mask \/s\/mask\.png --cfg-scale/);
  });

  test('of a video', () => {
    const video = videoGeneration(videoTask('a fox', { seconds: 2 }), { ...OPEN, steps: 4 }, () => 5);
    const args = cliArgs({ ...{ ...base, generation: video, runtime: runtime(), out: '/s/out.avi' } });
    assert.deepEqual(args, [
      ...['-M', 'vid_gen', '--model', '/m/x', '--lora-model-dir', '', '-p', 'a fox'],
      ...words(
        '--cfg-scale 1 --steps 4 -W 64 -H 64 --video-frames 17 --fps 8 -o /s/out.avi --seed 5 -t 2 --diffusion-fa',
      ),
    ]);
  });

  test('for a build before 765', () => {
    const old = traitsOf('stable-diffusion.cpp version master-669-2d40a8b');
    const args = cliArgs({ ...base, generation: generation(), runtime: runtime({ zeroCondT: true }, { traits: old }) });
    assert.ok(args.includes('--qwen-image-zero-cond-t'));
    assert.ok(!args.includes('--model-args'));
  });
});

test('the command line of sd-server', () => {
  const start = { modelArgs: ['--model', '/m/x'], loraDir: '/s/loras', port: 4321 };
  assert.deepEqual(
    serverArgs({ ...start, runtime: runtime({ mmap: true }) }),
    words(
      '--listen-ip 127.0.0.1 --listen-port 4321 --model /m/x --lora-model-dir /s/loras --eager-load --mmap -t 2 --diffusion-fa',
    ),
  );
  const old = traitsOf('master-669-2d40a8b');
  assert.ok(!serverArgs({ ...start, runtime: runtime({}, { traits: old }) }).includes('--eager-load'));
});

test('the request of an image, bare and full', () => {
  const common = { prompt: 'a fox', width: 1024, height: 1024, seed: 5, batch_count: 1, output_format: 'png' };
  assert.deepEqual(imageRequest(generation(), { mask: 'TQ==' }).body, {
    ...common,
    negative_prompt: '',
    sample_params: { sample_steps: 8, guidance: { txt_cfg: 1 } },
  });
  const full = generation({ negativePrompt: 'dull', samplingMethod: 'heun', denoise: 1 }, { flowShift: 2.5 });
  const { body, route } = imageRequest(full, { init: 'SQ==', mask: 'TQ==' });
  assert.equal(route, '/sdcpp/v1/img_gen');
  assert.deepEqual(body, {
    ...common,
    negative_prompt: 'dull',
    sample_params: { sample_steps: 8, sample_method: 'heun', flow_shift: 2.5, guidance: { txt_cfg: 1 } },
    ...{ init_image: 'SQ==', strength: 1, mask_image: 'TQ==' },
  });
  const edit = imageRequest(full, { ref: 'Ug==', init: 'SQ==' }).body;
  assert.deepEqual(edit.ref_images, ['Ug==']);
  assert.ok(!('init_image' in edit) && !('strength' in edit));
});

test('the request of a video', () => {
  const video = videoGeneration(videoTask('a fox'), OPEN, () => 5);
  const { body, route } = videoRequest(video, { init: 'SQ==' }, 'avi');
  assert.equal(route, '/sdcpp/v1/vid_gen');
  assert.deepEqual(
    [body.video_frames, body.fps, body.init_image, body.output_format, body.batch_count],
    [5, 8, 'SQ==', 'avi', undefined],
  );
});

describe('numbers of a job', () => {
  test('fall back to the model, then to the contract', () => {
    const pick = ({ width, height, steps, cfgScale }: ReturnType<typeof generation>) => [
      width,
      height,
      steps,
      cfgScale,
    ];
    assert.deepEqual(pick(generation()), [1024, 1024, 8, 1]);
    const defaults = { width: 768, height: 512, steps: 6, cfgScale: 3.5 };
    assert.deepEqual(pick(generation({}, defaults)), [768, 512, 6, 3.5]);
    // 20 is what an absent value becomes on the wire.
    assert.deepEqual(pick(generation({ steps: 20, cfgScale: -1 }, defaults)), [768, 512, 6, 3.5]);
    assert.deepEqual(pick(generation({ steps: 21, cfgScale: 2, width: 64 }, defaults)), [64, 512, 21, 2]);
  });

  test('out of range are refused before they reach a command line', () => {
    for (const [more, message] of [
      [{ width: -64 }, /^width -64 is out of range: it may be 64 to 4096/],
      [{ width: 63 }, /^width 63/],
      [{ height: 4097 }, /^height 4097/],
      [{ height: 100.5 }, /^height 100\.5/],
      [{ width: Number.NaN }, undefined],
      [{ steps: 101 }, /^steps 101/],
      [{ steps: -1 }, /^steps -1/],
      [{ cfgScale: Number.POSITIVE_INFINITY }, /^cfgScale Infinity/],
      [{ cfgScale: Number.NaN }, /^cfgScale NaN/],
      [{ denoise: 1.1 }, /^denoise 1\.1/],
      [{ denoise: -0.1 }, /^denoise -0\.1/],
      [{ seed: -1 }, /^seed -1/],
      [{ seed: 1.5 }, /^seed 1\.5/],
      [{ samplingMethod: 'eulr' }, /^unknown sampler `eulr`; sd-cpp has: euler, euler_a/],
      [{ prompt: 'x'.repeat(20_001) }, /^the prompt has 20001 characters; sd-cpp takes at most 20000/],
      [{ negativePrompt: 'a\0b' }, /^the negative prompt holds a NUL/],
    ] as const) {
      const task = { ...imageTask('a fox'), ...more };
      const make = () => imageGeneration(task, OPEN, () => 5);
      // A width that is not a number counts as not chosen.
      if (message === undefined) assert.equal(make().width, 1024);
      else assert.throws(make, { code: 'INPUT_INVALID', message });
    }
    const model = { code: 'MODEL_INVALID', message: /^unknown sampler `eulr`/ };
    assert.throws(() => generation({}, { samplingMethod: 'eulr' }), model);
    assert.throws(() => generation({}, { flowShift: Number.NaN }), { code: 'MODEL_INVALID' });
  });

  test('of frames come in steps of four and one', () => {
    for (const [seconds, fps, frames] of [
      [0.01, 8, 5],
      [1, 16, 17],
      [2, 16, 33],
      [5, 16, 81],
      [1, 24, 25],
    ] as const) {
      assert.equal(framesOf(seconds, fps), frames);
    }
    for (const seconds of [0, -1, Number.NaN, 1000])
      assert.throws(() => framesOf(seconds, 16), { code: 'INPUT_INVALID' });
    assert.throws(() => videoGeneration(videoTask('a', { fps: 0 }), OPEN, () => 1), { message: /^fps 0/ });
  });
});

test('a tag that would load a file is plain text', () => {
  for (const [prompt, safe] of [
    ['a <lora:/etc/passwd:1> fox', 'a <lora /etc/passwd:1> fox'],
    ['<LORA:|high_noise|x:1>', '<lora |high_noise|x:1>'],
    ['< lora :x:1>', '< lora  x:1>'],
    ['explore: <b>', 'explore: <b>'],
  ] as const) {
    assert.equal(generation({ prompt }).prompt, safe);
    assert.equal(generation({ negativePrompt: prompt }).negativePrompt, safe);
  }
});

test('roles of files become flags, once each', () => {
  const sorted = sortModelFiles([
    file('t5xxl'),
    file('model'),
    file('high-noise-diffusion-model'),
    file('readme'),
    file('lora'),
  ]);
  assert.deepEqual(sorted.args, [
    ...words('--model /m/model --high-noise-diffusion-model /m/high-noise-diffusion-model --t5xxl /m/t5xxl'),
  ]);
  assert.deepEqual([sorted.samplingPasses, sorted.unused, sorted.mainPath], [2, ['readme'], '/m/model']);
  const both = sortModelFiles([file('model'), file('diffusion-model')]);
  assert.deepEqual([both.args, both.unused], [['--diffusion-model', '/m/diffusion-model'], ['model']]);
});

test('builds are told apart by their number', () => {
  const of = (text: string) => {
    const { version, modelArgs, eagerLoad, listDevices, tooOld } = traitsOf(text);
    return [version, [!tooOld, eagerLoad, listDevices, modelArgs].map(Number).join('')];
  };
  const observed = 'stable-diffusion.cpp version master-827-97d2990+, commit 97d29908';
  assert.deepEqual(of(observed), ['master-827-97d2990', '1111']);
  assert.deepEqual(of('stable-diffusion.cpp version master-669-2d40a8b, commit 2d40a8b'), [
    'master-669-2d40a8b',
    '1000',
  ]);
  assert.deepEqual(of('stable-diffusion.cpp version master-500-abcdef0'), ['master-500-abcdef0', '0000']);
  assert.deepEqual(of('built from source'), ['built from source', '1111']);
});
