// What a worker advertises is what works on its machine: an engine that lacks something is refused with what to install,
// and is advertised and used, without a restart, once that is there.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NewJob } from '../../src/studio/operator-client.ts';
import { runCli } from './cli.ts';
import { openScene, type Scene, testJob } from './scene.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';

const fixture = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../../fixtures/engines/${name}`, import.meta.url)));

/** Its probe wants a file `installed` in the models root. */
const LATE_ENGINE = `
[[engines]]
id = "late"
module = ${fixture('test-engine.ts')}
probe = ${fixture('test-probe.ts')}
kinds = ["image"]
`;

let scene: Scene;
let worker: WorkerProcess;
before(async () => {
  scene = await openScene();
  worker = await scene.approvedWorker('', LATE_ENGINE, true);
});
after(async () => {
  await worker?.[Symbol.asyncDispose]();
  await scene?.[Symbol.asyncDispose]();
});

function lateJob(): NewJob {
  const job = testJob('image', {});
  return { ...job, modelSource: { ...job.modelSource, engine: 'late', files: [], cliDefaults: DEFAULTS } };
}
const DEFAULTS = { cfgScale: 1, steps: 1, width: 64, height: 64 };

const advertised = async (): Promise<string[]> => {
  const [view] = await scene.operator.workers();
  return view?.capabilities.supportedModelsPerKind.image ?? [];
};

test('an engine that lacks something is not advertised, and a job for it says what to do', async () => {
  const line = await worker.until('engine not available', (record) => record.engine === 'late');
  assert.equal(line.detail, 'the file is missing');
  assert.equal(line.remedy, 'create the file');
  const models = await advertised();
  assert.ok(models.includes('synthetic') && !models.includes('late:*'), models.join());
  const { id } = await scene.operator.createJob(lateJob());
  const job = await scene.ended(id);
  assert.equal(job.status, 'failed');
  assert.equal(job.error?.code, 'engine_unavailable');
  assert.match(job.error?.message ?? '', /`late` does not work here: the file is missing; to mend it: create the file/);
});

test('once what it needs is there, it is advertised within a heartbeat and takes jobs', async () => {
  await mkdir(join(worker.dir, 'models'), { recursive: true });
  await writeFile(join(worker.dir, 'models', 'installed'), '');
  // Any change of the configuration is a reason to look again; without one it takes up to ten minutes.
  await runCli(['set-threshold', '2', '--config', worker.configPath]);
  await worker.until('engine ready', (record) => record.engine === 'late');
  const readyAtMs = Date.now();
  const { id } = await scene.operator.createJob(lateJob());
  assert.equal((await scene.ended(id)).status, 'done');
  const models = await advertised();
  assert.ok(models.includes('late:*'), models.join());
  // Not only with the next look at the engines, ten minutes later.
  assert.ok(Date.now() - readyAtMs < 60_000, 'with one of the next heartbeats');
});

test('a changed GPU is said to need a restart', async () => {
  const text = await readFile(worker.configPath, 'utf8');
  await writeFile(worker.configPath, `gpu = "cpu"\n${text}`);
  await worker.until('what engines are told (gpu, device, models_root, …) takes effect with the next start');
  await writeFile(worker.configPath, text);
});

test('a restart advertises it at once, from what the last run found', async () => {
  const { dir } = worker;
  await worker[Symbol.asyncDispose]();
  const kept = JSON.parse(await readFile(join(dir, 'engines.json'), 'utf8'));
  assert.equal(kept.engines.late.report.ready, true);
  worker = startWorker({ dir });
  const line = await worker.until('advertised');
  assert.match(String(line.models), /late:\*/);
});
