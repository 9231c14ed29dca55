// A GPU that the operator demands is never replaced by the CPU, though voices know nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vitsModel, vitsTokens } from '../../../fixtures/models/vits.ts';
import type { GpuChoice } from '../../../src/engines/engine.ts';
import { probe } from '../../../src/engines/piper/probe.ts';
import { ears, engineSettings, openRig } from '../../workers/rig.ts';
import { openModels } from '../speech-rig.ts';

const models = openModels('audio_tts');
const { modelsRoot } = models;
const say = await models.add('piper', 'hum', [
  { role: 'model', filename: 'voice.onnx', content: vitsModel() },
  { role: 'tokens', filename: 'tokens.txt', content: vitsTokens() },
]);

for (const gpu of ['cuda', 'vulkan', 'metal'] as const satisfies GpuChoice[]) {
  test(`a demand for ${gpu} is refused with what to do`, async () => {
    const report = await probe(engineSettings(modelsRoot, { gpu }));
    assert.deepEqual(report, {
      ready: false,
      detail: `sherpa-onnx has no build for ${gpu}`,
      remedy: 'set gpu = "auto" or "cpu" in [pools.audio_tts]',
    });
  });
}

test('a job under such a demand fails for good', async () => {
  await using rig = await openRig({ engine: { modelsRoot, gpu: 'cuda' } });
  await assert.rejects(rig.host.run(say('hello'), ears()).done, {
    code: 'ENGINE_UNAVAILABLE',
    message: /sherpa-onnx has no build for cuda/,
  });
});

test('voices on the CPU speak beside a GPU that is demanded for everything else', async () => {
  await using rig = await openRig({ engine: { modelsRoot, gpu: 'cuda' }, pools: { audio_tts: { gpu: 'cpu' } } });
  const result = await rig.host.run(say('hello'), ears()).done;
  assert.ok(result.kind === 'bytes' && result.byteLength > 0);
});
