// What is seen of a model file, and of the machine, before the native library is asked.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { lama } from '../../../fixtures/models/lama.ts';
import type { GpuChoice } from '../../../src/engines/engine.ts';
import { checkModelFile, modelFileOf } from '../../../src/engines/onnx/model-file.ts';
import { probe } from '../../../src/engines/onnx/probe.ts';
import { chooseProvider, type ProviderMachine, thisMachine } from '../../../src/engines/onnx/provider.ts';
import { tempDir } from '../../supervisor/temp-dir.ts';
import { engineSettings } from '../../workers/rig.ts';

const file = (role: string, filename = `${role}.onnx`) => ({ role, filename, path: `/models/${filename}` });

test('the model is the one file with that role', () => {
  assert.equal(modelFileOf([file('vae'), file('model'), file('data')]).filename, 'model.onnx');
  assert.throws(() => modelFileOf([]), { code: 'MODEL_SOURCE_MISSING' });
  assert.throws(() => modelFileOf([file('diffusion-model')]), {
    code: 'MODEL_SOURCE_MISSING',
    message: /role `model`/,
  });
  assert.throws(() => modelFileOf([file('model', 'a'), file('model', 'b')]), {
    code: 'MODEL_INVALID',
    message: /a, b/,
  });
});

describe('a model file', () => {
  const whole = lama();
  const check = async (bytes: Uint8Array) => {
    await using dir = await tempDir();
    const path = dir.file('x.onnx');
    await writeFile(path, bytes);
    await checkModelFile({ role: 'model', filename: 'x.onnx', path });
  };

  test('that is whole passes', () => check(whole));

  test('that is cut off anywhere does not', async () => {
    let passed = 0;
    for (let length = 0; length < whole.length; length += 1) {
      try {
        await check(whole.subarray(0, length));
        // A cut between the graph and the opset leaves a file that only the library can judge.
        passed += 1;
      } catch (thrown) {
        assert.equal((thrown as { code: string }).code, 'MODEL_INVALID');
      }
    }
    assert.ok(passed <= 1);
    await assert.rejects(check(whole.subarray(0, 200)), {
      message: /x\.onnx is not an ONNX model: it is cut off, 200 bytes/,
    });
    await assert.rejects(check(new Uint8Array()), { message: /it is empty/ });
  });

  for (const [what, bytes] of [
    ['a web page', Buffer.from('<!doctype html><title>Not found</title>')],
    ['a pointer of git', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\n')],
    ['zeros', Buffer.alloc(4096)],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1')],
    ['a model without a graph', Buffer.from([8, 8, 18, 2, 65, 65])],
    ['an endless number', Buffer.alloc(64, 0xff)],
  ] as const) {
    test(`that is ${what} is refused`, () => assert.rejects(check(bytes), { code: 'MODEL_INVALID', retryable: false }));
  }
});

describe('the backend', () => {
  const dir = '/runtime';
  const linuxFiles = [`${dir}/libonnxruntime_providers_cuda.so`, `${dir}/libonnxruntime_providers_shared.so`];
  const machine = (there: string[], more: Partial<ProviderMachine> = {}): ProviderMachine => ({
    platform: 'linux',
    runtimeDir: dir,
    exists: (path) => there.includes(path.replaceAll('\\', '/')),
    loadable: () => true,
    ...more,
  });
  const full = machine([...linuxFiles, '/dev/nvidiactl']);

  for (const [gpu, on, provider] of [
    ['auto', full, 'cuda'],
    ['cuda', full, 'cuda'],
    ['cpu', full, 'cpu'],
    ['auto', machine([]), 'cpu'],
    ['auto', machine(linuxFiles), 'cpu'],
    ['auto', machine([...linuxFiles, '/dev/nvidiactl'], { loadable: (name) => !name.includes('cudnn') }), 'cpu'],
    ['auto', machine([], { platform: 'darwin' }), 'cpu'],
  ] as const) {
    test(`${gpu} is ${provider} on ${on.platform}`, () => assert.equal(chooseProvider(gpu, on).provider, provider));
  }

  for (const [gpu, on, message] of [
    ['cuda', machine(['/dev/nvidiactl']), /libonnxruntime_providers_cuda\.so and .*\/runtime/],
    ['cuda', machine(['/dev/nvidiactl', ...linuxFiles.slice(0, 1)]), /libonnxruntime_providers_shared\.so/],
    ['cuda', machine(linuxFiles), /no NVIDIA driver/],
    [
      'cuda',
      machine([...linuxFiles, '/dev/nvidiactl'], { loadable: () => false }),
      /CUDA 12 and cuDNN 9.*libcudnn\.so\.9/,
    ],
    ['cuda', machine([], { platform: 'darwin' }), /no CUDA provider for darwin/],
    ['cuda', machine([], { platform: 'win32' }), /onnxruntime_providers_cuda\.dll/],
    ['vulkan', full, /cannot compute on vulkan/],
    ['metal', full, /cannot compute on metal/],
  ] as const) {
    test(`a demand for ${gpu} that cannot be met is refused: ${message}`, () =>
      assert.throws(() => chooseProvider(gpu, on), { code: 'ENGINE_UNAVAILABLE', message }));
  }

  test('is looked for where the runtime lies', () => {
    const here = thisMachine();
    const library = { linux: 'libonnxruntime.so.1', win32: 'onnxruntime.dll' }[here.platform as 'linux'];
    if (library) assert.ok(here.exists(join(here.runtimeDir, library)));
    assert.equal(here.loadable('libnothing-of-that-name.so.99'), false);
  });
});

describe('the probe', () => {
  const ask = (gpu: GpuChoice) => probe(engineSettings('', { gpu }));

  test('finds the runtime, and says on what it computes', async () => {
    const report = await ask('cpu');
    assert.deepEqual([report.ready, report.backend], [true, 'cpu']);
    assert.match(report.detail, /ONNX Runtime \d+\.\d+\.\d+ on cpu/);
  });

  test('says what is missing for a GPU that was asked for', async () => {
    const report = await ask('metal');
    assert.equal(report.ready, false);
    assert.match(report.detail, /metal/);
    assert.match(report.remedy ?? '', /gpu/);
  });
});
