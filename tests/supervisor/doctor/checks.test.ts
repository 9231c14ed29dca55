// The parts of the doctor that read other programs' texts, by table.
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { checkGpu } from '../../../src/supervisor/doctor/check-gpu.ts';
import { checkStudio, skewSecs } from '../../../src/supervisor/doctor/check-studio.ts';
import type { DoctorReport } from '../../../src/supervisor/doctor/report.ts';
import { doctorText } from '../../../src/supervisor/doctor/report-text.ts';
import { serviceHint } from '../../../src/supervisor/doctor/service-hint.ts';
import { tempDir } from '../temp-dir.ts';

const TWO_GPUS = `0, NVIDIA GeForce RTX 4090, GPU-aa, 550.54.14, 24564, 1564, 23000, 7
1, NVIDIA T400, GPU-bb, 550.54.14, [N/A], [N/A], [N/A], [N/A]`;

test('the GPUs are listed one by one, with the driver', { skip: process.platform !== 'linux' }, async () => {
  await using dir = await tempDir();
  const script = `#!/bin/sh
case "$*" in
  --query-gpu=memory.total*) echo 24564; echo "[N/A]";;
  --query-gpu=index*) echo '${TWO_GPUS}';;
esac
`;
  await writeFile(dir.file('nvidia-smi'), script);
  await chmod(dir.file('nvidia-smi'), 0o755);
  const { devices, driver, totalGb } = await checkGpu({ fsRoot: dir.path, searchPath: `${dir.path}:/bin` });
  assert.deepEqual([totalGb, driver], [23.99, '550.54.14']);
  assert.deepEqual(devices, [
    { index: 0, name: 'NVIDIA GeForce RTX 4090', uuid: 'GPU-aa', totalGb: 23.99, freeGb: 22.46, utilisation: 0.07 },
    { index: 1, name: 'NVIDIA T400', uuid: 'GPU-bb' },
  ]);
});

test('the clocks are compared by the middle of the second that the studio named', () => {
  const now = Date.parse('2026-11-21T12:00:10.500Z');
  assert.equal(skewSecs('Sat, 21 Nov 2026 12:00:10 GMT', now), 0);
  assert.equal(skewSecs('Sat, 21 Nov 2026 12:01:10 GMT', now), -60);
  assert.equal(skewSecs('', now), undefined);
});

test('what an address holds besides the address is not shown', async () => {
  const { url, reachable } = await checkStudio('http://user:s3cret@127.0.0.1:9/base?key=s3cret');
  assert.deepEqual([url, reachable], ['http://127.0.0.1:9/base', false]);
});

test('each platform has its own service manager', () => {
  assert.match(serviceHint('linux', true).hint, /install-service --now/);
  assert.equal(serviceHint('linux', false).manager, 'none found');
  assert.equal(serviceHint('darwin').manager, 'launchd');
  assert.equal(serviceHint('win32').manager, 'Task Scheduler');
});

test('GPUs, a running worker and a studio in trouble have their lines', () => {
  const report: DoctorReport = {
    ...{ canWork: true, problems: [], version: '1.2.3', node: 'v24.0.0', platform: 'linux-x64', pid: 42 },
    config: { path: '/c/config.toml', exists: true, warnings: [] },
    engines: [
      { id: 'synthetic', kinds: ['llm'], ready: true, detail: 'placeholders' },
      { id: 'llama-cpp', kinds: ['llm'], ready: true, detail: 'b1 on CUDA', backend: 'cuda', devices: ['RTX 4090'] },
      { id: 'sd-cpp', kinds: ['image'], ready: false, detail: 'no sd-cli', remedy: 'install it' },
    ],
    gpu: {
      totalGb: 24,
      source: 'nvidia-smi',
      driver: '550',
      warnings: ['odd line'],
      devices: [{ index: 0, name: 'RTX 4090', totalGb: 24, freeGb: 20, utilisation: 0.5 }],
    },
    memory: { ramGb: 64, freeRamGb: 60, budgetGb: 23 },
    disks: [{ what: 'models_root', path: '/m', exists: true, freeGb: 100 }],
    ports: [
      { key: 'local_api_port', port: 4787, free: false, why: 'EADDRINUSE' },
      { key: 'stream_port', port: 80, free: false, why: 'EACCES' },
    ],
    studio: { url: 'https://s/', reachable: true, status: 503, clockSkewSecs: -90, problem: 'in trouble' },
    service: { manager: 'systemd', hint: 'a hint' },
  };
  assert.equal(
    doctorText(report),
    `studio-worker 1.2.3, Node v24.0.0, linux-x64, running as pid 42

Engines
  ✓ ready      synthetic  llm: placeholders
  ✓ ready      llama-cpp  llm: b1 on CUDA; RTX 4090
  ✗ not ready  sd-cpp     image: no sd-cli
                          → install it

Machine
  ✓ ok         GPU memory 24 GiB, read from nvidia-smi
  ✓ ok         GPU 0 RTX 4090, 24 GiB, 20 GiB free, 50 % busy, driver 550
  ! note       odd line
  ✓ ok         RAM 64 GiB, 60 GiB free; models may fill 23 GiB
  ✓ ok         models_root /m: 100 GiB free

Worker
  ✓ ok         configuration /c/config.toml
  ! note       studio https://s/ answers (503): in trouble
  ✗ problem    the clock is 90 s behind the studio's: set it, e.g. with NTP
  ✓ ok         local_api_port 4787 is in use, most likely by the running worker
  ✗ problem    stream_port 80 cannot be used (EACCES)
  ✓ ok         service manager: systemd (a hint)

can work, with llama-cpp`,
  );
});
