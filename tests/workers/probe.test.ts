// Probes in real child processes: whatever one does, the answer is a report and the child is gone.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { EngineDescriptor, EngineSettings, ProbeReport } from '../../src/engines/engine.ts';
import { probeEngines } from '../../src/workers/probe-engines.ts';
import { parseProbeReport } from '../../src/workers/probe-report.ts';
import { isAlive } from './rig.ts';

const PROBE = new URL('../../fixtures/engines/test-probe.ts', import.meta.url).href;

let settings: EngineSettings;
before(async () => {
  const modelsRoot = await mkdtemp(join(tmpdir(), 'probe-test-'));
  settings = { gpu: 'vulkan', cpuThreads: 1, network: { allowLoopback: false, allowedHosts: [] }, modelsRoot };
});
after(() => rm(settings.modelsRoot, { recursive: true, force: true }));

const engineThat = (how: string, more: Partial<EngineDescriptor> = {}): EngineDescriptor =>
  testEngine({ id: how, probeUrl: `${PROBE}?${how}`, ...more });

async function probe(how: string, options: { msMax?: number; more?: Partial<EngineDescriptor> } = {}) {
  const { more, ...rest } = options;
  const reports = await probeEngines([engineThat(how, more)], { settings, ...rest });
  return reports.get(how) as ProbeReport;
}

test('a ready engine says so with its library, backend and devices', async () => {
  assert.deepEqual(await probe('ready'), {
    ready: true,
    detail: 'test library 1.2.3',
    backend: 'vulkan',
    devices: ['Test GPU'],
  });
});

test('an engine that is not ready says what is missing, on one line, and what to install', async () => {
  assert.deepEqual(await probe('not-ready'), {
    ready: false,
    detail: 'no test library here',
    remedy: 'install test-library',
  });
});

const BROKEN: readonly [how: string, detail: RegExp, remedy: RegExp][] = [
  ['throws', /its probe failed: the test probe is broken/, /report it/],
  ['aborts', /its probe crashed \(SIGABRT\): ggml\.c:42: GGML_ASSERT\(test\) failed/, /drivers/],
  ['exits', /its probe crashed \(exit code 3\)/, /drivers/],
  ['no-import', /it cannot be loaded: Cannot find package "a-native-library"/, /npm ci/],
  ['answers-nonsense', /not a report/, /report it/],
  ['answers-a-function', /could not be cloned/, /report it/],
];
for (const [how, detail, remedy] of BROKEN) {
  test(`a probe that ${how} is an engine that is not ready`, async () => {
    const report = await probe(how);
    assert.equal(report.ready, false);
    assert.match(report.detail, detail);
    assert.match(report.remedy ?? '', remedy);
  });
}

test('a module without a probe is an engine that is not ready', async () => {
  const { detail } = await probe('ready', { more: { probeUrl: new URL('./rig.ts', import.meta.url).href } });
  assert.match(detail, /no `probe` export/);
});

test('a probe that hangs is killed at its bound, also when its JavaScript is stuck', async () => {
  const report = await probe('loops', { msMax: 1_500 });
  assert.match(report.detail, /did not answer within 1.5 s/);
  assert.match(report.remedy ?? '', /driver/);
  assert.equal(isAlive(Number(await readFile(join(settings.modelsRoot, 'pid'), 'utf8'))), false);
});

test('a program that a probe has started is killed with it', { skip: process.platform === 'win32' }, async () => {
  await probe('spawns', { msMax: 1_500 });
  assert.equal(isAlive(Number(await readFile(join(settings.modelsRoot, 'pid'), 'utf8'))), false);
});

test('a probe that prints a lot is only slower', async () => {
  assert.deepEqual(await probe('prints'), { ready: true, detail: 'it printed' });
});

test('a probe runs with the variables of the engine’s process, and without our secrets', async () => {
  process.env.STUDIO_ADMIN_TOKEN = 'a-secret';
  const { detail } = await probe('env', { more: { processEnvUrl: PROBE } });
  delete process.env.STUDIO_ADMIN_TOKEN;
  assert.equal(detail, 'set no token');
});

test('variables that cannot be had are an engine that is not ready', async () => {
  const { ready, detail } = await probe('ready', { more: { processEnvUrl: `${PROBE}?no-import` } });
  assert.deepEqual([ready, detail], [false, 'it cannot be loaded: Cannot find package "a-native-library"']);
});

test('engines without a probe are not asked, and the others are told of one by one', async () => {
  const seen: string[] = [];
  const reports = await probeEngines([testEngine(), engineThat('ready'), engineThat('throws')], {
    settings,
    started: ({ id }) => seen.push(`${id}?`),
    finished: ({ id }, { ready }) => seen.push(`${id} ${ready}`),
  });
  assert.deepEqual([...reports.keys()].sort(), ['ready', 'throws']);
  assert.deepEqual(seen.toSorted(), ['ready true', 'ready?', 'throws false', 'throws?']);
});

test('an abort kills the child and rejects', async () => {
  const controller = new AbortController();
  const probing = probeEngines([engineThat('loops')], {
    settings,
    signal: controller.signal,
    started: () => setImmediate(() => controller.abort(new Error('enough'))),
  });
  await assert.rejects(probing, /enough/);
});

test('a report is bounded and free of control characters', () => {
  const report = parseProbeReport({
    ready: true,
    detail: `a\u001b[2J${'x'.repeat(2_000)}`,
    devices: Array.from({ length: 40 }, (_, i) => `gpu ${i}`),
    other: 'ignored',
  });
  assert.equal(report?.detail.length, 500);
  assert.equal(report?.devices?.length, 16);
  assert.ok(!report?.detail.includes('\u001b'));
  assert.deepEqual(Object.keys(report ?? {}), ['ready', 'detail', 'devices']);
  assert.equal(parseProbeReport({ ready: 'yes', detail: '' }), undefined);
  assert.equal(parseProbeReport(undefined), undefined);
});
