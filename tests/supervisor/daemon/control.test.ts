// What a dashboard sees of the worker, and what its buttons do.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { openRecorder } from '../../../src/supervisor/activity/recorder.ts';
import type { Activity } from '../../../src/supervisor/activity/types.ts';
import { openConfigStore } from '../../../src/supervisor/config/store.ts';
import { openDaemonControl } from '../../../src/supervisor/daemon/control.ts';
import { gpuRuntimeOf } from '../../../src/supervisor/daemon/gpu-runtime.ts';
import { openPauseSwitch, type PauseSwitch } from '../../../src/supervisor/daemon/pause-switch.ts';
import type { DaemonControl } from '../../../src/supervisor/daemon/types.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import { openSessionStatus, type SessionStatus } from '../../../src/supervisor/session/session-status.ts';
import { listenForStop } from '../../../src/supervisor/stop.ts';
import type { EngineDescriptor, ProbeReport } from '../../../src/workers/types.ts';
import { tempDir } from '../temp-dir.ts';

type Scene = AsyncDisposable & {
  readonly control: DaemonControl;
  readonly activity: Activity;
  readonly logs: Logs;
  readonly pauseSwitch: PauseSwitch;
  readonly status: SessionStatus;
  readonly stages: string[];
  readonly configPath: string;
  reports: Record<string, ProbeReport>;
};

const ENGINES = [{ id: 'probed', probeUrl: 'file:///x' }, { id: 'plain' }] as unknown as EngineDescriptor[];
const HEARTBEAT_MS = 5_000;

async function openScene(configText: string): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const configPath = dir.file('config.toml');
  await writeFile(configPath, configText);
  const config = await openConfigStore(configPath, { create: false });
  const { modelsRoot } = config.current;
  const activity = await openActivity({ logs, recorder: openRecorder(), previewDir: dir.file('previews'), modelsRoot });
  const stages: string[] = [];
  const stop = listenForStop((stage) => stages.push(stage));
  const pauseSwitch = openPauseSwitch();
  const sessionStatus = openSessionStatus({ kind: 'pristine' });
  const scene: Scene = {
    ...{ activity, logs, pauseSwitch, status: sessionStatus, stages, configPath },
    reports: {},
    control: openDaemonControl({
      ...{ version: '1.2.3', config, logs, stop, pauseSwitch, sessionStatus, activity, engines: ENGINES },
      registry: { report: (id) => scene.reports[id] },
      device: { totalGb: 24, hasGpu: true },
      heartbeatMs: HEARTBEAT_MS,
      localApiUrl: () => undefined,
    }),
    async [Symbol.asyncDispose]() {
      stop[Symbol.dispose]();
      await activity[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return scene;
}

test('a new worker says that it is nobody’s yet', async () => {
  await using scene = await openScene('');
  assert.deepEqual(scene.control.status(), {
    version: '1.2.3',
    pid: process.pid,
    configPath: scene.configPath,
    paused: false,
    takesJobs: true,
    busy: false,
    registered: false,
    workerId: null,
    registration: { state: 'pristine' },
    session: { state: 'waiting_for_approval' },
    heartbeat: null,
    gpuRuntime: null,
    vramTotalGb: 24,
    localApiUrl: null,
    currentJobId: null,
    activeJobs: [],
    recentJobs: [],
    localJobs: [],
    logsSeq: 0,
  });
});

test('running jobs make it busy; the current one is the studio’s', async () => {
  await using scene = await openScene('worker_id = "w-1"\nauth_token = "t"\n');
  const job = { kind: 'llm', model: 'm', prompt: 'p' } as const;
  scene.activity.started({ ...job, jobId: 'local-1', source: 'lane' });
  scene.activity.started({ ...job, jobId: 'job-1', source: 'studio' });
  scene.activity.started({ ...job, jobId: 'job-0', source: 'studio' });
  scene.activity.finished('job-0', { status: 'completed' });
  const { busy, currentJobId, activeJobs, recentJobs, localJobs, registered, workerId } = scene.control.status();
  assert.deepEqual(
    [busy, currentJobId, activeJobs.length, recentJobs.length, localJobs, registered, workerId],
    [true, 'job-1', 2, 1, [], true, 'w-1'],
  );
});

test('pause is a switch of this process: told once a flip, never written down', async () => {
  await using scene = await openScene('auto_enabled = true\n');
  const before = await readFile(scene.configPath, 'utf8');
  let flips = 0;
  scene.pauseSwitch.changes.addEventListener('change', () => {
    flips += 1;
  });
  scene.control.pause();
  scene.control.pause();
  assert.deepEqual([scene.control.status().paused, scene.control.status().takesJobs, flips], [true, false, 1]);
  scene.control.resume();
  assert.deepEqual([scene.control.status().paused, scene.control.status().takesJobs, flips], [false, true, 2]);
  assert.equal(await readFile(scene.configPath, 'utf8'), before);
});

test('a worker that is disabled is not paused, and takes no jobs', async () => {
  await using scene = await openScene('auto_enabled = false\n');
  assert.partialDeepStrictEqual(scene.control.status(), { paused: false, takesJobs: false });
});

test('shutdown is one request to stop', async () => {
  await using scene = await openScene('');
  scene.control.shutdown();
  assert.deepEqual(scene.stages, ['draining']);
  scene.control.shutdown();
  assert.deepEqual(scene.stages, ['draining'], 'asking again does not cut running jobs short');
});

test('only a registration that was rejected can be reset', async () => {
  await using scene = await openScene('install_id = "i-1"\n');
  assert.equal(await scene.control.resetRegistration(), false);
  assert.match(await readFile(scene.configPath, 'utf8'), /i-1/);
  scene.status.registrationIs({ kind: 'rejected', reason: 'no' });
  assert.deepEqual(scene.control.status().registration, { state: 'rejected', reason: 'no' });
  assert.equal(await scene.control.resetRegistration(), true);
  assert.doesNotMatch(await readFile(scene.configPath, 'utf8'), /i-1/);
});

test('it is ready once it is registered, acknowledged lately, and its engines have been looked at', async (t) => {
  await using scene = await openScene('worker_id = "w-1"\nauth_token = "t"\n');
  const facts = () => Object.values(scene.control.readiness()).join(' ');
  assert.equal(facts(), 'false true false false');
  scene.status.welcomed();
  scene.status.heartbeatSent(true);
  scene.status.heartbeatAcknowledged();
  scene.reports = { probed: { ready: false, detail: 'not here' } };
  assert.equal(facts(), 'true true true true');
  const later = performance.now() + 2 * HEARTBEAT_MS;
  t.mock.method(performance, 'now', () => later + 1_000);
  assert.equal(facts(), 'false true false true', 'two heartbeats ago is too long');
  t.mock.restoreAll();
  scene.status.lost(1);
  assert.equal(facts(), 'false true false true');
});

test('the log is read on from a number; one of another process gives all of it', async () => {
  await using scene = await openScene('');
  for (const message of ['one', 'two']) scene.logs.info('test', message);
  const read = (after: number) => {
    const { entries, seq } = scene.control.logs(after);
    return [entries.map(({ message }) => message), seq];
  };
  assert.deepEqual(read(0), [['one', 'two'], 2]);
  assert.deepEqual(read(1), [['two'], 2]);
  assert.deepEqual(read(2), [[], 2]);
  assert.deepEqual(read(900), [['one', 'two'], 2]);
});

const report = (backend: string, devices?: string[]): ProbeReport => ({
  ...{ ready: true, detail: 'd', backend },
  ...(devices && { devices }),
});
const runtimes: [string, Record<string, ProbeReport>, boolean, object | null][] = [
  ['nothing is known', {}, true, null],
  ['there is no GPU', { a: report('cpu') }, false, null],
  ['an engine is not ready', { a: { ...report('cuda'), ready: false } }, true, null],
  [
    'one of them computes on it',
    { a: report('cpu'), b: report('cuda', ['RTX 4090']) },
    true,
    { ok: true, detail: 'b: cuda on RTX 4090' },
  ],
  [
    'all of them compute on the CPU',
    { a: report('cpu'), b: report('cpu') },
    true,
    {
      ok: false,
      detail: 'a, b compute on the CPU, though there is a GPU; `studio-worker doctor` says what is missing',
    },
  ],
];
for (const [what, reports, hasGpu, expected] of runtimes) {
  test(`the GPU when ${what}`, () => {
    assert.deepEqual(
      gpuRuntimeOf([{ id: 'a' }, { id: 'b' }], (id) => reports[id], hasGpu),
      expected,
    );
  });
}
