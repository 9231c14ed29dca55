import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBytes, parseNvidiaSmi, parseProcNvidia } from '../../../src/supervisor/device/memory-text.ts';

test('the information file of the NVIDIA driver', () => {
  const head = 'Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 138\n';
  const cases: [text: string, gib: number, bad: number][] = [
    ['', 0, 0],
    [head, 0, 0],
    [`${head}Video Memory: \t 12288 MiB\n`, 12, 0],
    [`${head}Video Memory: 12288 MB\n`, 12, 0],
    ['Video Memory: 24 GB\r\n', 24, 0],
    ['Video Memory: 7.5 GiB', 7.5, 0],
    ['Video Memory: 8192 MiB\nVideo Memory: 8 GiB\n', 16, 0],
    ['Video Memory: ??\nVideo Memory: 8 GiB\n', 8, 1],
    ['Video Memory: 8 TiB\n', 0, 1],
  ];
  for (const [text, gib, bad] of cases) {
    const reading = parseProcNvidia(text);
    assert.equal(reading.gib, gib, text);
    assert.equal(reading.badLines.length, bad, text);
  }
});

test('the table of nvidia-smi', () => {
  const cases: [text: string, gib: number, bad: string[]][] = [
    ['', 0, []],
    ['12288\n', 12, []],
    ['24576\r\n24576\r\n', 48, []],
    ['81559\n', 81559 / 1024, []],
    ['[N/A]\n', 0, ['[N/A]']],
    ['[Insufficient Permissions]\n8192\n', 8, ['[Insufficient Permissions]']],
    ['-5\n1e9\n0x10\n', 0, ['-5', '1e9', '0x10']],
    [
      'NVIDIA-SMI has failed because it could not communicate with the driver.',
      0,
      ['NVIDIA-SMI has failed because it could not communicate with the driver.'],
    ],
  ];
  for (const [text, gib, badLines] of cases) assert.deepEqual(parseNvidiaSmi(text), { gib, badLines }, text);
});

test('amounts in bytes', () => {
  assert.deepEqual(parseBytes('17179869184\n8556380160\n'), { gib: 23.96875, badLines: [] });
  assert.deepEqual(parseBytes('\r\n4293918720\r\n\r\n'), { gib: 4293918720 / 1024 ** 3, badLines: [] });
  assert.deepEqual(parseBytes('unknown\n'), { gib: 0, badLines: ['unknown'] });
  assert.equal(parseBytes('x'.repeat(500)).badLines[0]?.length, 80);
});
