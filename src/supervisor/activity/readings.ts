// What a scrape finds: every metric of the worker with its name, its help and its values now. prom-client writes it down
// (metrics.ts). Names end in their unit, and counters in `_total`, as Prometheus asks.
import { TASK_KINDS } from '../../protocol/index.ts';
import type { Host, MemoryView } from '../../workers/types.ts';
import type { Device } from '../device/device-text.ts';
import type { LocalJobs } from '../local/types.ts';
import type { Models } from '../models/types.ts';
import type { SessionStatus } from '../session/session-status.ts';
import type { Recorder } from './recorder.ts';
import type { Histogram, Sample } from './tally.ts';
import type { Activity, JobWire } from './types.ts';

export type Reading =
  | {
      readonly type: 'counter' | 'gauge';
      readonly name: string;
      readonly help: string;
      readonly samples: readonly Sample[];
    }
  | { readonly type: 'histogram'; readonly name: string; readonly help: string; readonly histogram: Histogram };

export type Sources = {
  readonly version: string;
  readonly recorder: Recorder;
  readonly activity: Pick<Activity, 'active'>;
  readonly host: Pick<Host, 'memory'>;
  readonly models: Pick<Models, 'list'>;
  readonly localJobs: Pick<LocalJobs, 'waiting'>;
  readonly sessionStatus: Pick<SessionStatus, 'session' | 'reconnects'>;
  readonly devices: () => Promise<readonly Device[]>;
};

export async function readAll(sources: Sources): Promise<Reading[]> {
  const { recorder, sessionStatus } = sources;
  const [memory, devices] = await Promise.all([sources.host.memory(), sources.devices()]);
  return [
    gauge('info', 'Always 1; says which version runs.', [{ labels: { version: sources.version }, value: 1 }]),
    counter('jobs_total', 'Jobs that have ended, by kind, source, outcome and failure code.', recorder.jobs.samples()),
    gauge('jobs_running', 'Jobs that run now.', runningOf(sources.activity.active())),
    gauge('local_jobs_waiting', 'Jobs of this machine that wait for a place.', waitingOf(sources.localJobs)),
    counter(
      'local_jobs_refused_total',
      'Jobs of this machine that never ran, by kind and code.',
      recorder.refusals.samples(),
    ),
    histogram('job_wait_seconds', 'How long jobs waited here for a place.', recorder.waits),
    histogram('job_run_seconds', 'How long jobs took from their start, loading their model included.', recorder.runs),
    counter('tokens_total', 'Tokens read (in) and generated (out) by text jobs.', recorder.tokens.samples()),
    gauge('model_loaded', 'Always 1; one series for each loaded model of the catalogue.', loadedOf(sources.models)),
    histogram('model_load_seconds', 'How long models took to load, once their files were here.', recorder.loads),
    counter('model_load_failures_total', 'Loads that failed or were given up.', recorder.loadFailures.samples()),
    counter('model_evictions_total', 'Models that had to leave so that another fits.', recorder.evictions.samples()),
    histogram(
      'model_memory_estimate_ratio',
      'What models took, divided by what was reserved for them: 1 is a perfect estimate.',
      recorder.estimates,
    ),
    counter(
      'download_bytes_total',
      'Bytes of model files that were downloaded.',
      atLeastZero(recorder.downloads.samples()),
    ),
    ...memoryReadings(memory),
    ...deviceReadings(devices),
    counter('session_reconnects_total', 'Sessions, or attempts at one, that another attempt followed.', [
      { labels: {}, value: sessionStatus.reconnects },
    ]),
    gauge('session_up', '1 while the studio has welcomed this worker.', [
      { labels: {}, value: sessionStatus.session.state === 'connected' ? 1 : 0 },
    ]),
  ];
}

function memoryReadings({ deviceBytes, freeBytes, pools }: MemoryView): Reading[] {
  const ofPools = (bytes: 'reservedBytes' | 'budgetBytes'): Sample[] =>
    TASK_KINDS.map((pool) => ({ labels: { pool }, value: pools[pool][bytes] }));
  return [
    gauge('vram_budget_bytes', 'Memory of the device that models may fill together.', [
      { labels: {}, value: deviceBytes },
    ]),
    gauge('vram_reserved_bytes', 'Memory that loaded models hold, by pool.', ofPools('reservedBytes')),
    gauge('pool_budget_bytes', 'Memory that the models of a pool may hold.', ofPools('budgetBytes')),
    gauge(
      'vram_free_bytes',
      'Free memory of the device, whoever holds the rest; absent when the driver does not say.',
      freeBytes === undefined ? [] : [{ labels: {}, value: freeBytes }],
    ),
  ];
}

function deviceReadings(devices: readonly Device[]): Reading[] {
  const of = (value: (device: Device) => number | undefined): Sample[] =>
    devices.flatMap((device) => {
      const read = value(device);
      const labels = { device: String(device.index), name: device.name };
      return read === undefined ? [] : [{ labels, value: read }];
    });
  return [
    gauge(
      'gpu_use_ratio',
      'The part of the last moment in which the GPU computed, 0 to 1.',
      of(({ utilisation }) => utilisation),
    ),
    gauge(
      'gpu_free_bytes',
      'Free memory of each GPU.',
      of(({ freeBytes }) => freeBytes),
    ),
    gauge(
      'gpu_memory_bytes',
      'Memory of each GPU.',
      of(({ totalBytes }) => totalBytes),
    ),
  ];
}

function runningOf(active: readonly JobWire[]): Sample[] {
  const counts = new Map<string, { labels: { kind: string; source: string }; value: number }>();
  for (const { kind, source } of active) {
    const key = `${kind} ${source}`;
    const sample = counts.get(key) ?? { labels: { kind, source }, value: 0 };
    counts.set(key, { ...sample, value: sample.value + 1 });
  }
  // Without a running job the metric would vanish, and an alert on it with it.
  return counts.size > 0
    ? [...counts.values()]
    : TASK_KINDS.map((kind) => ({ labels: { kind, source: 'studio' }, value: 0 }));
}

function waitingOf(localJobs: Pick<LocalJobs, 'waiting'>): Sample[] {
  return TASK_KINDS.map((kind) => ({ labels: { kind }, value: localJobs.waiting(kind) }));
}

function loadedOf(models: Pick<Models, 'list'>): Sample[] {
  const loaded = models.list().filter(({ state }) => state === 'loaded');
  return loaded.map(({ id, kind }) => ({ labels: { model: id, kind }, value: 1 }));
}

/** A counter that nothing was added to yet is 0, and not absent. */
function atLeastZero(samples: readonly Sample[]): readonly Sample[] {
  return samples.length > 0 ? samples : [{ labels: {}, value: 0 }];
}

function counter(name: string, help: string, samples: readonly Sample[]): Reading {
  return { type: 'counter', name: `studio_worker_${name}`, help, samples };
}

function gauge(name: string, help: string, samples: readonly Sample[]): Reading {
  return { type: 'gauge', name: `studio_worker_${name}`, help, samples };
}

function histogram(name: string, help: string, own: Histogram): Reading {
  return { type: 'histogram', name: `studio_worker_${name}`, help, histogram: own };
}
