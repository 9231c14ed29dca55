// The engine where it works: in a thread of a host, with models from the model store, both binaries played by stand-ins.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Behaviour, modelText } from '../../../fixtures/sd-cpp/behaviour.ts';
import { sdCpp } from '../../../src/engines/sd-cpp/descriptor.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { ears, openRig, syntheticJob, task } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { useStandIn } from './scene.ts';

useStandIn('server');
const modelsRoot = await mkdtemp(join(tmpdir(), 'sd-cpp-models-'));
// Laid out as the model store does.
for (const [kind, behaviour] of [
  ['image', {}],
  ['video', { video: true }],
] as const) {
  await mkdir(join(modelsRoot, `${kind}-model`));
  await writeFile(join(modelsRoot, `${kind}-model`, `${kind}.gguf`), modelText(behaviour));
}
after(() => rm(modelsRoot, { recursive: true, force: true }));

function job(
  prompt: string | Behaviour,
  more: Record<string, unknown> = {},
  kind: 'image' | 'video' = 'image',
): HostJob {
  const text = typeof prompt === 'string' ? prompt : JSON.stringify(prompt);
  const filename = `${kind}.gguf`;
  return syntheticJob(kind, text, {
    ...{ engine: 'sd-cpp', model: `${kind}-model` },
    files: [{ role: 'model', filename, url: `https://models.invalid/${filename}` }],
    task: task(kind, text, { width: 64, height: 64, ...(kind === 'image' ? { steps: 4 } : { ext: 'avi' }), ...more }),
  });
}

conformance({
  title: 'the sd-cpp engine',
  extraEngines: [],
  settings: { modelsRoot },
  jobs: [job('a fox'), job('a fox', {}, 'video')],
  slowJob: job({ stepMs: 150 }),
  wrongJob: job('a fox', { samplingMethod: 'eulr' }),
});

describe('sd-cpp in a host', () => {
  test('a run that hangs is ended by the watchdog, and the model serves the next one', async () => {
    // An engine of the operator's own with the same module, so that its watchdog can be a short one.
    const hasty = { ...sdCpp, id: 'sd-hasty', models: {}, runStallMs: 4_000 };
    await using rig = await openRig({ extraEngines: [hasty], engine: { modelsRoot } });
    const asked = (prompt: string | Behaviour): HostJob => {
      const one = job(prompt);
      return { ...one, source: { ...one.source, engine: hasty.id } };
    };
    await assert.rejects(rig.host.run(asked({ hang: true }), ears()).done, { code: 'ENGINE_HUNG', retryable: true });
    await rig.until(() => rig.host.verdict(asked('again')).kind === 'ready');
    await rig.host.run(asked('again'), ears()).done;
  });

  test('two modalities at once, and nothing left on disk', async () => {
    await using rig = await openRig({ engine: { modelsRoot } });
    await Promise.all([rig.host.run(job('a'), ears()).done, rig.host.run(job('b', {}, 'video'), ears()).done]);
    const folders = await readdir(rig.scratchRoot, { recursive: true });
    assert.deepEqual(
      folders.filter((name) => /\.(png|avi)$/.test(name)),
      [],
    );
  });
});
