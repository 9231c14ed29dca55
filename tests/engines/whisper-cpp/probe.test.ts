// What the speech engines say of this machine, and what they say when a demand cannot be met.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kokoro, piper } from '../../../src/engines/piper/descriptor.ts';
import { processEnv } from '../../../src/engines/sherpa/process-env.ts';
import { whisperCpp } from '../../../src/engines/whisper-cpp/descriptor.ts';
import { loadLibrary } from '../../../src/engines/whisper-cpp/library.ts';
import { probeEngines } from '../../../src/workers/probe-engines.ts';
import { engineSettings } from '../../workers/rig.ts';

test('both libraries load, without a model', async () => {
  const reports = await probeEngines([whisperCpp, piper, kokoro], { settings: engineSettings('', { gpu: 'cpu' }) });
  assert.deepEqual(
    [...reports].map(([id, { ready, backend }]) => [id, ready, backend]),
    [
      ['whisper-cpp', true, 'cpu'],
      ['piper', true, 'cpu'],
      ['kokoro', true, 'cpu'],
    ],
  );
});

test('a GPU that this system cannot have is not ready, with what to do instead', async () => {
  const gpu = process.platform === 'darwin' ? 'vulkan' : 'metal';
  const [report] = (await probeEngines([whisperCpp], { settings: engineSettings('', { gpu }) })).values();
  assert.equal(report?.ready, false);
  assert.match(report?.remedy ?? '', /^(choose|install) /);
});

test('the CPU is never a GPU build, and the synthesiser finds its libraries beside its addon', () => {
  assert.deepEqual([loadLibrary('cpu').variant, loadLibrary('cpu').useGpu], ['default', false]);
  const [name, value] = Object.entries(processEnv())[0] ?? [];
  if (process.platform === 'win32') return assert.equal(name, undefined);
  assert.match(name ?? '', /^(LD|DYLD)_LIBRARY_PATH$/);
  assert.match(value ?? '', /sherpa-onnx-\w+-\w+/);
});
