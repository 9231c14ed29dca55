// Devices as they are found on a machine: stand-in tools, and files in the place of the driver's.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { freeOf, openDeviceWatch } from '../../../src/supervisor/device/device-watch.ts';
import { listDevices } from '../../../src/supervisor/device/devices.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';

const skip = process.platform === 'win32' ? 'the stand-in tools are shell scripts' : false;
const GIB = 1024 ** 3;

async function put(dir: TempDir, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(dir.file(file)), { recursive: true });
  await writeFile(dir.file(file), text);
}

/** A program that notes that it ran, and answers. */
async function tool(dir: TempDir, name: string, script: string): Promise<void> {
  await put(dir, `bin/${name}`, `#!/bin/sh\necho run >> ${dir.file('runs')}\n${script}\n`);
  await chmod(dir.file(`bin/${name}`), 0o755);
}

const at = (dir: TempDir) => ({ fsRoot: dir.path, searchPath: `${dir.file('bin')}:/bin:/usr/bin` });

async function runsOf(dir: TempDir): Promise<number> {
  const text = await readFile(dir.file('runs'), 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}

const SMI = "echo '0, A, GPU-1, 550.1, 8192, 1024, 7168, 10'; echo '1, B, GPU-2, 550.1, 4096, 0, 4096, 0'";

test('a machine without a GPU starts no program', { skip }, async () => {
  await using dir = await tempDir();
  for (const name of ['nvidia-smi', 'sysctl', 'vm_stat', 'powershell']) await tool(dir, name, SMI);
  const watch = openDeviceWatch('unknown', at(dir));
  assert.deepEqual([await watch.list(), await watch.freeBytes()], [[], undefined]);
  assert.equal(await runsOf(dir), 0);
});

test('many who ask at the same time are answered by one run, and a later one gets a fresh one', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'nvidia-smi', SMI);
  const watch = openDeviceWatch('nvidia-smi', { ...at(dir), freshMs: 0 });
  const answers = await Promise.all(Array.from({ length: 20 }, () => watch.freeBytes()));
  assert.deepEqual(new Set(answers), new Set([11 * GIB]));
  assert.equal(await runsOf(dir), 1);
  const recent = openDeviceWatch('nvidia-smi', { ...at(dir), freshMs: 60_000 });
  assert.deepEqual(await Promise.all([recent.freeBytes(1), recent.freeBytes(0), recent.freeBytes(2)]), [
    ...[4 * GIB, 7 * GIB, undefined],
  ]);
  await tool(dir, 'nvidia-smi', SMI.replace('7168', '2048'));
  assert.equal(await watch.freeBytes(), 6 * GIB);
  assert.equal(await runsOf(dir), 3);
});

test('a driver that does not answer is not asked again for a while', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'nvidia-smi', 'exit 9');
  const watch = openDeviceWatch('nvidia-smi', at(dir));
  assert.equal(await watch.freeBytes(), undefined);
  assert.equal(await watch.freeBytes(), undefined);
  assert.equal(await runsOf(dir), 1);
});

test('one that hangs is given up', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'nvidia-smi', 'exec sleep 60');
  // The bound itself is what is tested, so it is short here.
  assert.equal(await openDeviceWatch('nvidia-smi', { ...at(dir), timeoutMs: 100 }).freeBytes(), undefined);
});

test('a container without nvidia-smi still names the NVIDIA devices', { skip }, async () => {
  await using dir = await tempDir();
  await put(dir, 'proc/driver/nvidia/gpus/0000:02:00.0/information', 'Model: B\nVideo Memory: 8 GB\n');
  await put(dir, 'proc/driver/nvidia/gpus/0000:01:00.0/information', 'Model: A\n');
  assert.deepEqual(await listDevices('nvidia-proc', { ...at(dir), searchPath: dir.file('bin') }), [
    { index: 0, name: 'A', totalBytes: 0 },
    { index: 1, name: 'B', totalBytes: 8 * GIB },
  ]);
});

test('AMD cards are counted without those of other drivers and without their connectors', { skip }, async () => {
  await using dir = await tempDir();
  const put2 = (card: string, name: string, text: string) => put(dir, `sys/class/drm/${card}/device/${name}`, text);
  await put2('card0', 'vendor', '0x8086\n');
  await put2('card1', 'mem_info_vram_total', `${16 * GIB}\n`);
  await put2('card1', 'mem_info_vram_used', `${2 * GIB}\n`);
  await put2('card1', 'gpu_busy_percent', '100\n');
  await put2('card1-DP-1', 'mem_info_vram_total', `${16 * GIB}\n`);
  await put2('card10', 'mem_info_vram_total', `${8 * GIB}\n`);
  await put2('card10', 'mem_info_vram_used', '0\n');
  const watch = openDeviceWatch('amd-sysfs', at(dir));
  assert.deepEqual(await watch.list(), [
    {
      ...{ index: 0, name: 'AMD GPU', utilisation: 1 },
      ...{ totalBytes: 16 * GIB, usedBytes: 2 * GIB, freeBytes: 14 * GIB },
    },
    { index: 1, name: 'AMD GPU', totalBytes: 8 * GIB, usedBytes: 0, freeBytes: 8 * GIB },
  ]);
  assert.equal(await watch.freeBytes(), 22 * GIB);
});

test('a Mac is one device, whose free memory is that of the machine, up to its part', { skip }, async () => {
  await using dir = await tempDir();
  const sysctl = 'case "$2" in hw.memsize) echo 34359738368;; *) echo "Apple M2 Max";; esac';
  await tool(dir, 'sysctl', sysctl);
  const pages = (free: number) => `echo "Statistics: (page size of 16384 bytes)"; echo "Pages free: ${free}."`;
  await tool(dir, 'vm_stat', pages(65_536));
  const device = { index: 0, name: 'Apple M2 Max', totalBytes: 24 * GIB };
  assert.deepEqual(await listDevices('sysctl', at(dir)), [{ ...device, freeBytes: GIB }]);
  await tool(dir, 'vm_stat', pages(2_000_000));
  assert.deepEqual(await listDevices('sysctl', at(dir)), [{ ...device, freeBytes: 24 * GIB }]);
  await tool(dir, 'vm_stat', 'exit 1');
  assert.deepEqual(await listDevices('sysctl', at(dir)), [device]);
});

test('Windows names its video controllers when there is no NVIDIA one', { skip }, async () => {
  await using dir = await tempDir();
  await tool(dir, 'powershell', `case "$*" in *ConvertTo-Json*) echo '{"Name":"Arc","AdapterRAM":1073741824}';; esac`);
  const watch = openDeviceWatch('windows-cim', at(dir));
  assert.deepEqual(
    [await watch.list(), await watch.freeBytes()],
    [[{ index: 0, name: 'Arc', totalBytes: GIB }], undefined],
  );
});

test('what is free is only known when every device says it', () => {
  const device = { index: 0, name: 'A', totalBytes: 8 };
  assert.equal(freeOf([]), undefined);
  assert.equal(
    freeOf([
      { ...device, freeBytes: 3 },
      { ...device, freeBytes: 4 },
    ]),
    7,
  );
  assert.equal(freeOf([{ ...device, freeBytes: 3 }, device]), undefined);
});
