// Configuration and device as the host of the models gets them.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { openConfigStore } from '../../src/supervisor/config/store.ts';
import { hostSettings, type MachineMemory } from '../../src/supervisor/host-settings.ts';
import { tempDir } from './temp-dir.ts';

const GIB = 1024 ** 3;

async function settingsOf(toml: string, deviceBytes: number, more: Partial<MachineMemory> = {}) {
  await using dir = await tempDir();
  await writeFile(dir.file('config.toml'), toml);
  return hostSettings((await openConfigStore(dir.file('config.toml'))).current, { deviceBytes, ...more });
}

test('without settings each pool may use the threshold, and text models run four sequences', async () => {
  const settings = await settingsOf('vram_threshold_gb = 16\n', 23 * GIB);
  const pool = { vramBytes: 16 * GIB, threads: 1, concurrency: 1 };
  assert.deepEqual(settings, {
    pools: { image: pool, llm: { ...pool, concurrency: 4 }, audio_stt: pool, audio_tts: pool, video: pool },
    deviceBytes: 23 * GIB,
    marginBytes: GIB,
    keepAliveMs: 300_000,
  });
});

test('a pool of its own, halves of a GiB and a keep-alive are passed on', async () => {
  const toml = 'keep_alive_secs = 0.5\n[pools.audio_stt]\nvram_gb = 1.5\nthreads = 2\nconcurrency = 3\n';
  const { pools, keepAliveMs } = await settingsOf(toml, 0);
  assert.deepEqual(pools.audio_stt, { vramBytes: 1.5 * GIB, threads: 2, concurrency: 3 });
  assert.equal(keepAliveMs, 500);
});

test('a budget is whole bytes, and a negative keep-alive means for ever', async () => {
  const { pools, keepAliveMs } = await settingsOf('vram_threshold_gb = 0.1\nkeep_alive_secs = -1\n', 0);
  assert.equal(pools.image.vramBytes, Math.floor(0.1 * GIB));
  assert.ok(keepAliveMs < 0);
});

test('a pool may be bound to a GPU or to the CPU, and knows the memory there', async () => {
  const machine = { devices: [{ index: 0, bytes: 7 * GIB }], ramBytes: 9 * GIB };
  const toml = '[pools.llm]\ndevice = 1\ngpu = "cuda"\n[pools.audio_tts]\ngpu = "cpu"\n';
  const settings = await settingsOf(toml, 30 * GIB, machine);
  const { llm, audio_tts, image } = settings.pools;
  assert.deepEqual([llm.device, llm.gpu, audio_tts.gpu, image.gpu], [1, 'cuda', 'cpu', undefined]);
  assert.deepEqual({ devices: settings.devices, ramBytes: settings.ramBytes }, machine);
});

test('a pool on the CPU cannot be bound to a GPU', async () => {
  const toml = '[pools.llm]\ndevice = 1\ngpu = "cpu"\n';
  await assert.rejects(settingsOf(toml, 0), /pools\.llm\.device.*names a GPU, and this pool computes on the CPU/s);
});
