// A scrape of a worker that has done something: real jobs on a real host, written down by the real prom-client.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { counted } from '../../../src/supervisor/activity/estimates.ts';
import { stepLoads, watchLoads } from '../../../src/supervisor/activity/load-times.ts';
import { openMetrics } from '../../../src/supervisor/activity/metrics.ts';
import type { Sources } from '../../../src/supervisor/activity/readings.ts';
import { openRecorder } from '../../../src/supervisor/activity/recorder.ts';
import { openSessionStatus } from '../../../src/supervisor/session/session-status.ts';
import type { LoadedModelInfo } from '../../../src/workers/types.ts';
import { openScene, request, type Scene } from '../local/scene.ts';

const GPU = { index: 0, name: 'Some "GPU"', totalBytes: 24, freeBytes: 8, utilisation: 0.5 };

function sourcesOf(scene: Scene, more: Partial<Sources> = {}): Sources {
  const view = { id: 'test-a', kind: 'llm', state: 'loaded' };
  return {
    version: '1.2.3',
    recorder: scene.recorder,
    activity: scene.activity,
    host: scene.rig.host,
    models: { list: () => [view] } as unknown as Sources['models'],
    localJobs: scene.local,
    sessionStatus: openSessionStatus({ kind: 'pristine' }),
    devices: async () => [GPU],
    ...more,
  };
}

/** The line of a sample, or undefined. */
const sampleOf = (text: string, start: string): string | undefined =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${start} `))
    ?.slice(start.length + 1);

test('a scrape tells what the worker has done, in lines that Prometheus reads', async () => {
  await using scene = await openScene();
  using _loads = watchLoads(scene.rig.host, scene.recorder);
  await scene.local.run(request());
  await scene.local.run(request());
  await assert.rejects(scene.local.run(request({ throw: 'x' })));
  await assert.rejects(scene.local.run(request({}, { model: 'test-load-missing' })), { code: 'MODEL_SOURCE_MISSING' });
  const metrics = openMetrics(sourcesOf(scene));
  assert.equal(metrics.contentType, 'text/plain; version=0.0.4; charset=utf-8');
  const text = await metrics.text();

  const expected: [string, string][] = [
    ['studio_worker_info{version="1.2.3"}', '1'],
    ['studio_worker_jobs_total{kind="llm",source="local",outcome="completed",code=""}', '1'],
    ['studio_worker_jobs_total{kind="llm",source="lane",outcome="completed",code=""}', '1'],
    ['studio_worker_jobs_total{kind="llm",source="lane",outcome="failed",code="engine_failed"}', '1'],
    ['studio_worker_job_wait_seconds_count{kind="llm",source="lane"}', '2'],
    ['studio_worker_job_run_seconds_bucket{kind="llm",source="lane",le="+Inf"}', '2'],
    ['studio_worker_local_jobs_waiting{kind="llm"}', '0'],
    ['studio_worker_model_loaded{model="test-a",kind="llm"}', '1'],
    ['studio_worker_model_load_seconds_count{kind="llm",engine="test"}', '1'],
    ['studio_worker_model_load_failures_total{kind="llm",engine="test"}', '1'],
    ['studio_worker_vram_reserved_bytes{pool="llm"}', String(2 ** 30)],
    ['studio_worker_download_bytes_total', '0'],
    ['studio_worker_gpu_use_ratio{device="0",name="Some \\"GPU\\""}', '0.5'],
    ['studio_worker_session_up', '0'],
    ['studio_worker_session_reconnects_total', '0'],
  ];
  for (const [start, value] of expected) assert.equal(sampleOf(text, start), value, start);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
  // What nobody knows is absent, and not zero.
  assert.equal(sampleOf(text, 'studio_worker_vram_free_bytes'), undefined);

  const names = new Set<string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, name] = /^# TYPE (\S+)/.exec(line) ?? [];
    if (name !== undefined) {
      assert.ok(!names.has(name), `${name} is there twice`);
      names.add(name);
    }
    assert.match(line, /^(# (HELP|TYPE) [a-z_0-9]+ .+|[a-z_0-9]+(\{.*\})? [-+0-9.eNaInf]+)$/);
  }
  for (const name of names) {
    const [, type] = new RegExp(`^# TYPE ${name} (.*)$`, 'm').exec(text) ?? [];
    if (name.startsWith('studio_worker_')) assert.equal(type === 'counter', name.endsWith('_total'), name);
  }
});

test('the docs list exactly the metrics that there are, with their labels', async () => {
  await using scene = await openScene();
  using _loads = watchLoads(scene.rig.host, scene.recorder);
  await scene.local.run(request());
  const text = await openMetrics(sourcesOf(scene)).text();
  const own = [...text.matchAll(/^# TYPE (studio_worker_\S+)/gm)].map(([, name]) => name);
  const docs = await readFile(new URL('../../../docs/operations/metrics.md', import.meta.url), 'utf8');
  const listed = [...docs.matchAll(/^\| `(studio_worker_\w+)` \|([^|]*)\|/gm)];
  assert.deepEqual(listed.map(([, name]) => name).toSorted(), own.toSorted());
  for (const [, name = '', labels = ''] of listed) {
    const [, used] = new RegExp(`^${name}(?:_sum)?\\{(.*)\\} `, 'm').exec(text) ?? [];
    if (used === undefined) continue;
    const names = [...used.matchAll(/(\w+)="/g)].map(([, label]) => label);
    assert.deepEqual(names, labels.trim().split(', '), name);
  }
});

test('no prompt, no job id and no name of a stranger’s model becomes a label', async () => {
  await using scene = await openScene();
  await scene.local.run(request({ tokens: ['a private word'] }, { model: 'test-private-name' }));
  const text = await openMetrics(sourcesOf(scene)).text();
  assert.doesNotMatch(text, /private|local-\d/);
});

test('buckets are cumulative, and two scrapes tell the same', async () => {
  await using scene = await openScene();
  for (const ms of [1, 100, 10_000_000]) scene.recorder.waited('image', 'studio', ms);
  const metrics = openMetrics(sourcesOf(scene));
  const [first, second] = [await metrics.text(), await metrics.text()];
  for (const text of [first, second]) {
    const name = 'studio_worker_job_wait_seconds';
    const labels = 'kind="image",source="studio"';
    assert.equal(sampleOf(text, `${name}_bucket{${labels},le="0.005"}`), '1');
    assert.equal(sampleOf(text, `${name}_bucket{${labels},le="300"}`), '2');
    assert.equal(sampleOf(text, `${name}_bucket{${labels},le="+Inf"}`), '3');
    assert.equal(sampleOf(text, `${name}_count{${labels}}`), '3');
  }
});

test('models that leave for another are counted, and what a model took against what was reserved', async () => {
  const recorder = openRecorder();
  const truth = counted({ peakOf: () => undefined, measured: () => {} }, recorder);
  await using scene = await openScene({ deviceBytes: 1.5 * 2 ** 30, counts: recorder.host, memory: truth });
  for (const model of ['test-a', 'test-b', 'test-a']) await scene.local.run(request({ holds: 2 ** 29 }, { model }));
  assert.deepEqual(recorder.evictions.samples(), [{ labels: { kind: 'llm' }, value: 2 }]);
  const [spread] = recorder.estimates.spreads();
  assert.deepEqual(spread?.labels, { engine: 'test' });
  assert.ok((spread?.buckets[1] ?? 0) >= 1, 'half of what was reserved');
});

const info = (state: LoadedModelInfo['state'], key = 'k'): LoadedModelInfo => ({
  ...{ key, model: 'm', pool: 'llm', engine: 'test', bytes: 1, state, runs: 0, pinned: false },
});

test('a load lasts from its beginning, not from the fetching, to the loaded model', () => {
  let loading = stepLoads(new Map(), [info('fetching')], 0).loading;
  assert.equal(loading.size, 0);
  loading = stepLoads(loading, [info('loading')], 100).loading;
  loading = stepLoads(loading, [info('loading'), info('loaded', 'other')], 200).loading;
  const step = stepLoads(loading, [info('loaded')], 400);
  assert.deepEqual([step.loaded.map(({ ms }) => ms), step.failed, step.loading.size], [[300], [], 0]);
});

for (const [what, after] of [
  ['vanishes', []],
  ['is being taken down', [info('unloading')]],
] as const) {
  test(`a load whose model ${what} has failed, and counts once`, () => {
    const { loading } = stepLoads(new Map(), [info('loading')], 0);
    const step = stepLoads(loading, after, 10);
    assert.deepEqual([step.loaded, step.failed.length], [[], 1]);
    assert.deepEqual(stepLoads(step.loading, [], 20).failed, []);
  });
}
