// What processes hold of NVIDIA's GPUs, from a program that plays nvidia-smi.
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { openGpuProcesses, parseComputeApps } from '../../../src/supervisor/device/gpu-processes.ts';
import { openMemoryFile } from '../../../src/supervisor/memory/memory-file.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';

const MIB = 1024 ** 2;

async function fakeSmi(dir: TempDir, prints: string) {
  const path = dir.file('nvidia-smi');
  await writeFile(path, `#!/bin/sh\nprintf '%s\\n' "$*" >> '${dir.file('asked')}'\nprintf '${prints}'\n`);
  await chmod(path, 0o755);
  // The fake is a shell script, and needs nothing else.
  return { searchPath: dir.path };
}

test('the lines of all GPUs add up, and those without a number say nothing', () => {
  const cases: [text: string, expected: [number, number][]][] = [
    ['', []],
    [
      '4711, 2048\n4712, 512\n',
      [
        [4711, 2048 * MIB],
        [4712, 512 * MIB],
      ],
    ],
    ['4711, 2048\r\n4711, 1000\r\n', [[4711, 3048 * MIB]]],
    ['4711, 2048 MiB\n', [[4711, 2048 * MIB]]],
    ['4711, [N/A]\n4712, [Insufficient Permissions]\n', []],
    ['No running processes found\npid, used_gpu_memory [MiB]\n-1, 5\n4711, -5\n1e3, 7\n', []],
  ];
  for (const [text, expected] of cases) assert.deepEqual([...parseComputeApps(text)], expected, text);
});

test('nvidia-smi is asked once for jobs of one moment, and again for a process that it did not know', async () => {
  await using dir = await tempDir();
  const processes = openGpuProcesses(await fakeSmi(dir, '4711, 100\\n4712, 7\\n'));
  assert.deepEqual([await processes.bytesOf(4711), await processes.bytesOf(4712)], [100 * MIB, 7 * MIB]);
  const asked = async () => (await readFile(dir.file('asked'), 'utf8')).trimEnd().split('\n');
  assert.deepEqual(await asked(), ['--query-compute-apps=pid,used_memory --format=csv,noheader,nounits']);
  assert.equal(await processes.bytesOf(1), undefined);
  assert.equal((await asked()).length, 2);
});

test('without nvidia-smi nothing is known', async () => {
  await using dir = await tempDir();
  assert.equal(await openGpuProcesses({ searchPath: dir.path }).bytesOf(4711), undefined);
});

test('what a model took of a GPU is remembered when its engine does not tell, and only then', async () => {
  await using dir = await tempDir();
  const { bytesOf } = openGpuProcesses(await fakeSmi(dir, '4711, 100\\n'));
  const model = (key: string) => ({ key, model: key, engine: 'sd-cpp', kind: 'image' as const, reservedBytes: MIB });
  const open = (inRam: boolean) =>
    openMemoryFile({
      path: dir.file('memory.json'),
      placeOf: () => ({ gpu: inRam ? 'cpu' : 'auto', inRam }),
      logs: { info() {}, warn() {} },
      gpuBytesOf: bytesOf,
    });
  {
    await using memory = await open(false);
    memory.measured(model('silent'), { rssBytes: 5 * MIB, holderPid: 4711 });
    memory.measured(model('telling'), { memoryBytes: 30 * MIB, holderPid: 4711 });
    memory.measured(model('elsewhere'), { rssBytes: 5 * MIB, holderPid: 1 });
  }
  await using memory = await open(false);
  const peaks = ['silent', 'telling', 'elsewhere'].map((key) => memory.peakOf(key, 'image'));
  assert.deepEqual(peaks, [100 * MIB, 30 * MIB, undefined]);
  await using inRam = await open(true);
  inRam.measured(model('cpu'), { rssBytes: 5 * MIB, holderPid: 4711 });
  assert.equal(inRam.peakOf('cpu', 'image'), 5 * MIB);
});
