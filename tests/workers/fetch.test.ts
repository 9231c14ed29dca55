// A host that fetches model files before it loads: the phases a job sees, what the engine is given, and that a download
// keeps nobody else from loading.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { ModelFile } from '../../src/protocol/index.ts';
import { fileServer } from '../engines/models/file-server.ts';
import { ears, openRig, syntheticJob, testJob } from './rig.ts';

const DATA = Buffer.from('the weights');

const fileAt = (base: string, filename = 'm.bin'): ModelFile => ({
  role: 'model',
  url: `${base}/${filename}`,
  filename,
});

for (const isolation of ['thread', 'process'] as const) {
  test(`a job fetches, loads and runs, and the engine in a ${isolation} gets its files and settings`, async () => {
    await using server = await fileServer(DATA);
    let received = 0;
    const count = (bytes: number) => {
      received += bytes;
    };
    await using rig = await openRig({
      extraEngines: [testEngine({ isolation })],
      counts: { evicted: () => {}, received: count },
      engine: { gpu: 'vulkan', cpuThreads: 3 },
    });
    const job = testJob(
      { context: true },
      { files: [fileAt(server.base), fileAt(server.base, 'vae.bin')], model: 'a/b' },
    );
    const heard = ears();
    const result = await rig.host.run(job, heard).done;
    assert.deepEqual(heard.phases, ['fetching', 'loading', 'running']);
    assert.ok(heard.loadRatios.includes(1));
    assert.ok(heard.lines.some((line) => line.includes('downloading the file m.bin')));
    assert.ok(result.kind === 'json');
    const { files, settings, runSettings } = result.value as Record<string, unknown>;
    const folder = join(rig.root, 'models', 'a_b');
    assert.deepEqual(files, [
      { role: 'model', filename: 'm.bin', path: join(folder, 'm.bin') },
      { role: 'model', filename: 'vae.bin', path: join(folder, 'vae.bin') },
    ]);
    const expected = {
      gpu: 'vulkan',
      cpuThreads: 3,
      network: { allowLoopback: true, allowedHosts: [] },
      modelsRoot: join(rig.root, 'models'),
    };
    assert.deepEqual([settings, runSettings], [expected, expected]);
    const again = ears();
    await rig.host.run(job, again).done;
    assert.deepEqual(again.phases, ['running']);
    assert.equal(server.asked.length, 2);
    assert.equal(received, 2 * DATA.byteLength);
  });
}

test('a download does not keep other models from loading, and who joins it hears of it', async () => {
  await using server = await fileServer(DATA);
  await using rig = await openRig({ extraEngines: [testEngine()], pools: { llm: { concurrency: 2 } } });
  server.next({ stallAfter: 3 });
  const files = [fileAt(server.base)];
  const [first, joining] = [ears(), ears()];
  const slow = rig.host.run(testJob({}, { files }), first);
  const joined = rig.host.run(testJob({}, { files }), joining);
  await server.arrived(1);
  // Both need device memory, so both would have to wait for the same turn to load.
  await rig.host.run(testJob({}, { kind: 'image', model: 'test-b' }), ears()).done;
  assert.deepEqual([first.phases, joining.phases], [['fetching'], ['fetching']]);
  assert.equal(rig.host.models().find(({ pool }) => pool === 'llm')?.state, 'fetching');
  for (const run of [slow, joined]) {
    run.cancel('CANCELLED', 'enough');
    await assert.rejects(run.done, { code: 'CANCELLED' });
  }
  await rig.until(() => rig.host.models().length === 1);
});

describe('a fetch that does not succeed', () => {
  test('fails the job with its reason, and the place is free again', async () => {
    await using server = await fileServer(DATA);
    await using rig = await openRig({ extraEngines: [testEngine()] });
    server.next({ status: 404 });
    const job = testJob({}, { files: [fileAt(server.base)] });
    await assert.rejects(rig.host.run(job, ears()).done, { code: 'MODEL_NOT_FOUND', retryable: false });
    await rig.until(() => rig.host.models().length === 0);
    const heard = ears();
    await rig.host.run(job, heard).done;
    assert.deepEqual(heard.phases, ['fetching', 'loading', 'running']);
  });

  test('and is silent for too long counts as hung', async () => {
    await using server = await fileServer(DATA);
    await using rig = await openRig({ extraEngines: [testEngine({ loadStallMs: 300 })] });
    server.next({ stallAfter: 3 });
    const job = testJob({}, { files: [fileAt(server.base)] });
    await assert.rejects(rig.host.run(job, ears()).done, {
      code: 'ENGINE_HUNG',
      message: /fetching `test-a` made no progress/,
    });
    await rig.until(() => rig.host.models().length === 0);
  });

  test('because the host closes ends at once', async () => {
    await using server = await fileServer(DATA);
    await using rig = await openRig({ extraEngines: [testEngine()] });
    server.next({ stallAfter: 3 });
    const { done } = rig.host.run(testJob({}, { files: [fileAt(server.base)] }), ears());
    await server.arrived(1);
    await Promise.all([assert.rejects(done, { code: 'SHUTDOWN' }), rig.host[Symbol.asyncDispose]()]);
  });
});

describe('the environment of an engine’s process', () => {
  const processEnvUrl = new URL('../../fixtures/engines/process-env.ts', import.meta.url).href;
  const env = ['TEST_ENGINE_LIBRARY', 'TEST_ENGINE_TOKEN', 'HF_TOKEN'];

  test('has what the engine asks for from its start', async () => {
    await using rig = await openRig({ extraEngines: [testEngine({ processEnvUrl })] });
    const result = await rig.host.run(testJob({ env }), ears()).done;
    assert.ok(result.kind === 'json');
    assert.deepEqual((result.value as { env: unknown }).env, {
      TEST_ENGINE_LIBRARY: '/opt/test',
      TEST_ENGINE_TOKEN: 'meant for it',
      HF_TOKEN: null,
    });
  });

  test('that cannot be found out fails the load', async () => {
    const broken = testEngine({ processEnvUrl: new URL('./no-such-module.ts', import.meta.url).href });
    await using rig = await openRig({ extraEngines: [broken] });
    await assert.rejects(rig.host.run(testJob(), ears()).done, { code: 'ENGINE_UNAVAILABLE' });
    await rig.until(() => rig.host.models().length === 0);
    await rig.host.run(syntheticJob('image'), ears()).done;
  });
});
