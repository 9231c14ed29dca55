// Pools that are bound to a GPU or to the CPU: what their engines see, and on whose memory they draw.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { deviceEnv } from '../../src/engines/device-env.ts';
import type { TaskKind } from '../../src/protocol/index.ts';
import { budgetsOf, missingDevice, probeSettingsOf, settingsOf } from '../../src/workers/pool-home.ts';
import { probeEngines } from '../../src/workers/probe-engines.ts';
import { ears, engineSettings, GIB, openRig, settings, testJob } from './rig.ts';

const NAMES = ['CUDA_DEVICE_ORDER', 'CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'GGML_VK_VISIBLE_DEVICES'];
const devices = [
  { index: 0, bytes: 6 * GIB },
  { index: 1, bytes: 2 * GIB },
];

type Answer = { env: Record<string, string | null>; settings: { gpu: string; device?: number } };

describe('the choices of a pool', () => {
  const own = engineSettings('/models', { gpu: 'cuda' });

  test('stand over those for every engine', () => {
    const pools = { llm: { gpu: 'vulkan', device: 1 }, audio_tts: { gpu: 'cpu', device: 2 } } as const;
    assert.deepEqual(settingsOf(own, pools, 'llm'), { ...own, gpu: 'vulkan', device: 1 });
    assert.deepEqual(settingsOf(own, pools, 'image'), own);
    assert.deepEqual(settingsOf(own, pools, 'audio_tts'), { ...own, gpu: 'cpu' });
    assert.deepEqual(probeSettingsOf(own, pools, testEngine({ kinds: ['audio_tts', 'llm'] })), { ...own, gpu: 'cpu' });
  });

  test('decide whose memory is used', () => {
    const opening = settings({ pools: { llm: { device: 1 }, image: { device: 7 }, audio_tts: { gpu: 'cpu' } } });
    const machine = { ...opening, devices, ramBytes: GIB };
    assert.deepEqual(budgetsOf(machine, machine, 'auto').homes, {
      llm: { name: 1, bytes: 2 * GIB },
      audio_tts: { name: 'ram', bytes: GIB },
    });
    // Where memory is all one, and where all compute on the CPU.
    assert.deepEqual(budgetsOf(opening, opening, 'auto').homes, {});
    assert.equal(Object.keys(budgetsOf(machine, machine, 'cpu').homes ?? {}).length, 5);
    // What was changed later binds nobody who is loaded already.
    assert.deepEqual(budgetsOf(machine, settings(), 'auto').homes, {});
  });

  test('name a GPU that is there, or jobs are refused', () => {
    const machine = { ...settings({ pools: { image: { device: 7 }, llm: { device: 1 } } }), devices };
    assert.deepEqual(missingDevice(machine, 'auto', 'image'), {
      kind: 'never',
      code: 'ENGINE_UNAVAILABLE',
      why: '[pools.image] device = 7, and this machine has no such GPU; it has: 0, 1',
    });
    assert.equal(missingDevice(machine, 'auto', 'llm'), undefined);
    assert.equal(missingDevice(machine, 'cpu', 'image'), undefined);
    assert.equal(missingDevice({ ...machine, devices: [] }, 'auto', 'image'), undefined);
  });

  test('are variables that libraries of every vendor read', () => {
    assert.deepEqual(deviceEnv(undefined), {});
    assert.deepEqual(Object.keys(deviceEnv(0)).sort(), NAMES.toSorted());
  });
});

test('an engine process sees the GPU of its pool and no other', async () => {
  await using rig = await openRig({ extraEngines: [testEngine()], pools: { llm: { device: 1, gpu: 'cuda' } } });
  const bound = await rig.host.run(testJob({ env: NAMES, context: true }), ears()).done;
  const { settings: told } = (bound as unknown as { value: Answer }).value;
  assert.deepEqual([told.gpu, told.device], ['cuda', 1]);
  const seen = await rig.host.run(testJob({ env: NAMES }), ears()).done;
  assert.deepEqual((seen as unknown as { value: Answer }).value.env, deviceEnv(1));
  const other = await rig.host.run(testJob({ env: NAMES }, { kind: 'audio_stt' }), ears()).done;
  const { env } = (other as unknown as { value: Answer }).value;
  assert.equal(env.GGML_VK_VISIBLE_DEVICES, process.env.GGML_VK_VISIBLE_DEVICES ?? null);
});

test('a pool on a full GPU waits, though another one is free, and one in RAM does not', async () => {
  const pools = { llm: { device: 1 }, image: { device: 1 }, audio_tts: { gpu: 'cpu' } } as const;
  await using rig = await openRig({ extraEngines: [testEngine()], pools, machine: { devices, ramBytes: 4 * GIB } });
  const { host } = rig;
  const holder = ears();
  const run = host.run(testJob({ hang: 'async' }, { gib: 1.5 }), holder);
  await holder.running;
  const picture = testJob({}, { kind: 'image', model: 'test-b', gib: 1 });
  const verdict = host.verdict(picture);
  assert.equal(verdict.kind, 'busy');
  assert.match('why' in verdict ? verdict.why : '', /needs 1\.0 GiB, 0\.5 GiB free on GPU 1/);
  const large = host.verdict(testJob({}, { kind: 'image', model: 'test-c', gib: 3 }));
  assert.match('why' in large ? large.why : '', /needs 3\.0 GiB, GPU 1 may use 2\.0 GiB/);
  await host.run(testJob({}, { kind: 'audio_tts', model: 'test-d', gib: 4 }), ears()).done;
  await host.run(testJob({}, { kind: 'video', model: 'test-e', gib: 6 }), ears()).done;
  const sharedBy = async (kind?: TaskKind) => (await host.memory(kind)).sharedBy.join();
  assert.deepEqual(
    [await sharedBy('llm'), await sharedBy('audio_tts'), await sharedBy('video'), await sharedBy()],
    ['image,llm', 'audio_tts', 'image,llm,audio_stt,video', 'image,llm,audio_stt,video'],
  );
  assert.deepEqual(
    [(await host.memory('llm')).reservedBytes, (await host.memory('audio_tts')).reservedBytes],
    [1.5 * GIB, 4 * GIB],
  );
  assert.equal((await host.memory()).reservedBytes, 7.5 * GIB);
  run.cancel('CANCELLED', 'test');
  await assert.rejects(run.done, { code: 'CANCELLED' });
  await rig.until(() => host.verdict(picture).kind === 'ready');
});

test('a pool asks what is free on its own GPU, and one in RAM asks nobody', async () => {
  const asked: (number | undefined)[] = [];
  const freeBytes = async (device?: number) => {
    asked.push(device);
    return device === 1 ? GIB : 8 * GIB;
  };
  const pools = { llm: { device: 1 }, audio_tts: { gpu: 'cpu' } } as const;
  await using rig = await openRig({
    ...{ extraEngines: [testEngine({ isolation: 'thread' })], freeBytes, pools },
    machine: { devices, ramBytes: 4 * GIB },
  });
  await assert.rejects(rig.host.run(testJob({}, { gib: 2 }), ears()).done, {
    code: 'VRAM_EXHAUSTED',
    message: /needs 2\.0 GiB, but 1\.0 GiB of the device's memory is free/,
  });
  await rig.host.run(testJob({}, { kind: 'audio_tts', gib: 2 }), ears()).done;
  await rig.host.run(testJob({}, { kind: 'image', gib: 2 }), ears()).done;
  assert.ok(asked.includes(1) && asked.includes(undefined));
  assert.deepEqual(
    [(await rig.host.memory('llm')).freeBytes, (await rig.host.memory('audio_tts')).freeBytes],
    [GIB, undefined],
  );
});

test('a job for a GPU that is not there is refused for good', async () => {
  await using rig = await openRig({
    ...{ extraEngines: [testEngine()], pools: { llm: { device: 5 } } },
    machine: { devices },
  });
  assert.equal(rig.host.verdict(testJob()).kind, 'never');
  assert.deepEqual(Object.keys(rig.host.slots()).sort(), ['audio_stt', 'audio_tts', 'image', 'video']);
  assert.ok(rig.host.readyEngines().every(({ id, kinds }) => id !== 'llama-cpp' && !kinds.includes('llm')));
  await assert.rejects(rig.host.run(testJob(), ears()).done, { code: 'ENGINE_UNAVAILABLE', retryable: false });
});

test('a probe is told what the pool of its engine chose', async () => {
  const probeUrl = new URL('../../fixtures/engines/test-probe.ts?ready', import.meta.url).href;
  const reports = await probeEngines([testEngine({ id: 'voices', kinds: ['audio_tts'], probeUrl })], {
    settings: engineSettings('/models', { gpu: 'cuda' }),
    pools: { audio_tts: { gpu: 'cpu' } },
  });
  assert.equal(reports.get('voices')?.backend, 'cpu');
});
