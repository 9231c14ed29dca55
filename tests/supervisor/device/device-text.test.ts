// What drivers and tools print, garbage included, as tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AmdFiles,
  type Device,
  parseAmdDevice,
  parseCimDevices,
  parseNvidiaDevices,
  parseProcNvidiaDevice,
  parseVmStat,
} from '../../../src/supervisor/device/device-text.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const GARBAGE = [
  '',
  '\n\n',
  '\0\0',
  'x'.repeat(100_000),
  '{"a":',
  '<html>',
  ', , , , , , , ',
  '-1, a, b, c, d, e, f, g',
];

test('the table of nvidia-smi', () => {
  const cases: [text: string, devices: Device[]][] = [
    [
      '0, NVIDIA H200, GPU-1b3c, 570.86.15, 143771, 4, 143137, 0\n',
      [
        {
          ...{ index: 0, name: 'NVIDIA H200', uuid: 'GPU-1b3c', driver: '570.86.15', utilisation: 0 },
          ...{ totalBytes: 143_771 * MIB, usedBytes: 4 * MIB, freeBytes: 143_137 * MIB },
        },
      ],
    ],
    // A name with a comma, Windows line ends, a figure beyond its unit.
    [
      '0, Tesla K80, board 2, GPU-1, 470.1, 11441, 0, 11441, 250\r\n1, T400, GPU-2, 470.1, 2048, 48, 2000, 50\r\n',
      [
        {
          ...{ index: 0, name: 'Tesla K80, board 2', uuid: 'GPU-1', driver: '470.1', utilisation: 1 },
          ...{ totalBytes: 11_441 * MIB, usedBytes: 0, freeBytes: 11_441 * MIB },
        },
        {
          ...{ index: 1, name: 'T400', uuid: 'GPU-2', driver: '470.1', utilisation: 0.5 },
          ...{ totalBytes: 2048 * MIB, usedBytes: 48 * MIB, freeBytes: 2000 * MIB },
        },
      ],
    ],
    // Unified memory has no figures; MIG hides the load.
    [
      '0, NVIDIA GB10, GPU-9, 580.1, [N/A], [N/A], [N/A], [N/A]',
      [{ index: 0, name: 'NVIDIA GB10', uuid: 'GPU-9', driver: '580.1', totalBytes: 0 }],
    ],
    [
      '0, , [N/A], [N/A], 8, 1, 7, -5',
      [{ index: 0, name: 'NVIDIA GPU', totalBytes: 8 * MIB, usedBytes: MIB, freeBytes: 7 * MIB }],
    ],
    ['NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.', []],
    ['No devices were found', []],
    ['0, too few, columns', []],
    ['99999999999999999999, A, GPU-1, 1, 1, 1, 1, 1', []],
  ];
  for (const [text, devices] of cases) assert.deepEqual(parseNvidiaDevices(text), devices, text);
  for (const text of GARBAGE) assert.deepEqual(parseNvidiaDevices(text), [], text.slice(0, 20));
});

test('the information file of the NVIDIA driver', () => {
  const head = 'Model: \t\t NVIDIA GeForce RTX 3060\nIRQ:   \t\t 138\nGPU UUID: \t GPU-0a1b-2c\n';
  const known = { index: 3, name: 'NVIDIA GeForce RTX 3060', uuid: 'GPU-0a1b-2c' };
  assert.deepEqual(parseProcNvidiaDevice(head, 3), { ...known, totalBytes: 0 });
  assert.deepEqual(parseProcNvidiaDevice(`${head}Video Memory: 12288 MiB\n`, 3), { ...known, totalBytes: 12 * GIB });
  assert.deepEqual(parseProcNvidiaDevice('Model: A\nGPU UUID: GPU-????????\nVideo Memory: 8 GB\n', 0), {
    ...{ index: 0, name: 'A', totalBytes: 8 * GIB },
  });
  for (const text of GARBAGE) assert.equal(parseProcNvidiaDevice(text, 0), undefined, text.slice(0, 20));
});

test('the files of amdgpu', () => {
  const files = (some: Partial<AmdFiles>): AmdFiles => ({
    total: '',
    used: '',
    busy: '',
    product: '',
    uniqueId: '',
    ...some,
  });
  const cases: [Partial<AmdFiles>, Device | undefined][] = [
    [
      {
        total: '17163091968\n',
        used: '1073741824\n',
        busy: '37\n',
        product: 'RX 7900\n',
        uniqueId: '1c4a9e2f00b1c2d3\n',
      },
      {
        ...{ index: 1, name: 'RX 7900', uuid: '1c4a9e2f00b1c2d3', utilisation: 0.37 },
        ...{ totalBytes: 17_163_091_968, usedBytes: GIB, freeBytes: 17_163_091_968 - GIB },
      },
    ],
    [{ total: '4096' }, { index: 1, name: 'AMD GPU', totalBytes: 4096 }],
    [
      { total: '4096', used: '8192' },
      { index: 1, name: 'AMD GPU', totalBytes: 4096, usedBytes: 8192, freeBytes: 0 },
    ],
    [
      { total: '4096', used: '?', busy: 'busy', uniqueId: '../..' },
      { index: 1, name: 'AMD GPU', totalBytes: 4096 },
    ],
    [{ total: '0' }, undefined],
    [{}, undefined],
  ];
  for (const [some, device] of cases) assert.deepEqual(parseAmdDevice(files(some), 1), device, JSON.stringify(some));
  for (const total of GARBAGE) assert.equal(parseAmdDevice(files({ total }), 0), undefined, total.slice(0, 20));
});

test('what a Mac says of its pages', () => {
  const text = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            500000.
Pages inactive:                            2000.
Pages speculative:                          300.
Pages throttled:                              0.
Pages wired down:                        100000.
Pages purgeable:                             40.
`;
  assert.equal(parseVmStat(text), (10_000 + 2000 + 300 + 40) * 16_384);
  assert.equal(parseVmStat(text.replace('16384', 'many')), undefined);
  assert.equal(parseVmStat('(page size of 4096 bytes)\nPages free:  2.\n'), 2 * 4096);
  for (const garbage of GARBAGE) assert.equal(parseVmStat(garbage), undefined, garbage.slice(0, 20));
});

test('what Windows says of its video controllers', () => {
  const one = '{"Name":"AMD Radeon(TM) Graphics","AdapterRAM":536870912}\r\n';
  assert.deepEqual(parseCimDevices(one), [{ index: 0, name: 'AMD Radeon(TM) Graphics', totalBytes: GIB / 2 }]);
  const two = `[${one},{"Name":"Remote display","AdapterRAM":null},{"Name":"Arc","AdapterRAM":4293918720}]`;
  assert.deepEqual(
    parseCimDevices(two).map(({ index, name }) => [index, name]),
    [
      [0, 'AMD Radeon(TM) Graphics'],
      [2, 'Arc'],
    ],
  );
  for (const text of [
    ...GARBAGE,
    'null',
    '[null,1,"a",{}]',
    '{"Name":1,"AdapterRAM":"2"}',
    '{"Name":"a","AdapterRAM":-1}',
  ]) {
    assert.deepEqual(parseCimDevices(text), [], text.slice(0, 20));
  }
});
