import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { deviceBudgetBytes } from '../../../src/supervisor/device/budget.ts';
import { probeDevice } from '../../../src/supervisor/device/probe.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';

const skip = process.platform === 'win32' ? 'the stand-in tools are shell scripts' : false;

async function put(dir: TempDir, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(dir.file(file)), { recursive: true });
  await writeFile(dir.file(file), text);
}

/** A program that answers as the real one does. */
async function tool(dir: TempDir, name: string, script: string): Promise<void> {
  await put(dir, `bin/${name}`, `#!/bin/sh\n${script}\n`);
  await chmod(dir.file(`bin/${name}`), 0o755);
}

const probe = (dir: TempDir, platform: NodeJS.Platform = 'linux', timeoutMs = 5000) =>
  probeDevice({ platform, fsRoot: dir.path, searchPath: dir.file('bin'), timeoutMs });

test('a machine without a GPU has nothing to report', { skip }, async () => {
  await using dir = await tempDir();
  assert.deepEqual(await probe(dir), { totalGb: 0, source: 'unknown', warnings: [] });
  assert.deepEqual(await probe(dir, 'freebsd'), { totalGb: 0, source: 'unknown', warnings: [] });
});

test('the NVIDIA driver is asked first, and its devices are summed', { skip }, async () => {
  await using dir = await tempDir();
  await put(dir, 'proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: A\nVideo Memory: 12288 MiB\n');
  await put(dir, 'proc/driver/nvidia/gpus/0000:02:00.0/information', 'Model: B\nVideo Memory: 24 GB\n');
  await tool(dir, 'nvidia-smi', 'echo 1024');
  assert.deepEqual(await probe(dir), { totalGb: 36, source: 'nvidia-proc', warnings: [] });
});

test('nvidia-smi is asked when the driver does not say', { skip }, async () => {
  await using dir = await tempDir();
  await put(dir, 'proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: NVIDIA H100\nIRQ: 12\n');
  await tool(
    dir,
    'nvidia-smi',
    'if [ "$*" = "--query-gpu=memory.total --format=csv,noheader,nounits" ]; then echo 81559; echo "[N/A]"; fi',
  );
  assert.deepEqual(await probe(dir), {
    totalGb: 79.65,
    source: 'nvidia-smi',
    warnings: ['nvidia-smi: line not understood: [N/A]'],
  });
});

test('an nvidia-smi that fails or hangs is passed over', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'nvidia-smi', 'echo 4096; echo "driver mismatch" >&2; exit 9');
  assert.equal((await probe(dir)).source, 'unknown');
  await tool(dir, 'nvidia-smi', 'exec sleep 60');
  // The bound itself is what is tested, so it is short here.
  assert.equal((await probe(dir, 'linux', 100)).source, 'unknown');
});

test('AMD cards are summed, without their connectors', { skip }, async () => {
  await using dir = await tempDir();
  await put(dir, 'sys/class/drm/card0/device/mem_info_vram_total', '17179869184\n');
  await put(dir, 'sys/class/drm/card1/device/mem_info_vram_total', '8589934592\n');
  await put(dir, 'sys/class/drm/card0-HDMI-A-1/device/mem_info_vram_total', '17179869184\n');
  await put(dir, 'sys/class/drm/renderD128/device/mem_info_vram_total', '17179869184\n');
  await put(dir, 'sys/class/drm/card2/device/vendor', '0x8086\n');
  await put(dir, 'sys/class/drm/version', 'drm 1.1.0\n');
  assert.deepEqual(await probe(dir), { totalGb: 24, source: 'amd-sysfs', warnings: [] });
});

test('a Mac may use three quarters of its memory', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'sysctl', 'if [ "$*" = "-n hw.memsize" ]; then echo 34359738368; fi');
  assert.deepEqual(await probe(dir, 'darwin'), { totalGb: 24, source: 'sysctl', warnings: [] });
});

test('Windows asks nvidia-smi, then the system', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'powershell', 'case "$*" in *AdapterRAM*) printf "4293918720\\r\\n";; esac');
  assert.deepEqual(await probe(dir, 'win32'), { totalGb: 4, source: 'windows-cim', warnings: [] });
  await tool(dir, 'nvidia-smi', 'echo 8192');
  assert.equal((await probe(dir, 'win32')).source, 'nvidia-smi');
});

test('this machine can be probed', async () => {
  const { totalGb, source } = await probeDevice();
  assert.ok(Number.isFinite(totalGb) && totalGb >= 0);
  assert.equal(totalGb > 0, source !== 'unknown');
});

test('the budget is the device less the margin, or three quarters of the RAM', () => {
  const gib = 1024 ** 3;
  assert.equal(deviceBudgetBytes({ totalGb: 12, marginGb: 1 }), 11 * gib);
  assert.equal(deviceBudgetBytes({ totalGb: 12, marginGb: 1, ramBytes: 64 * gib }), 11 * gib);
  assert.equal(deviceBudgetBytes({ totalGb: 0, marginGb: 1, ramBytes: 16 * gib }), 11 * gib);
  assert.equal(deviceBudgetBytes({ totalGb: 0.5, marginGb: 1 }), 0);
  assert.ok(deviceBudgetBytes({ totalGb: 0, marginGb: 0 }) > 0);
});
