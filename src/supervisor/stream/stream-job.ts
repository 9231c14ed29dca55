// A stream as a job of the host: whether its model can take it now, what it is asked, and what is written down of it.
import type { HostJob, JobObserver, JobRun } from '../../workers/types.ts';
import type { ModelView } from '../models/types.ts';
import type { StreamActivity, StreamHost, StreamModels, StreamTurns } from './types.ts';

const GIB = 1024 ** 3;

export type PlaceParts = {
  readonly models: StreamModels;
  readonly host: StreamHost;
  readonly turns: StreamTurns;
  /** Models that hear somebody. */
  readonly streaming: ReadonlySet<string>;
};

/** The model, when a stream may begin on it now; else in the contract's words why not. */
export function placeFor(id: string, { models, host, turns, streaming }: PlaceParts): ModelView | string {
  const model = models.get(id);
  if (!model) return `model ${id} is not loaded (unknown)`;
  if (model.state !== 'loaded') return `model ${id} is not loaded (${model.state})`;
  const busy = `model ${id} is busy serving another request`;
  if (streaming.has(id)) return busy;
  const verdict = host.verdict(hostJob('', model));
  if (verdict.kind === 'never') return verdict.why;
  // A host with a second thread would be ready too, and load the model once more for it.
  const key = host.keyOf({ model: id, source: model.source });
  const free = host.models().some((loaded) => loaded.key === key && loaded.state === 'loaded' && loaded.runs === 0);
  return verdict.kind === 'ready' && free && turns.mayStart('audio_stt') ? model : busy;
}

export function hostJob(jobId: string, model: ModelView, input?: AsyncIterable<Uint8Array>): HostJob {
  return {
    jobId,
    model: model.id,
    source: model.source,
    task: { kind: 'audio_stt', operation: 'stream' },
    vramBytes: model.vramGbEstimate * GIB,
    ...(input && { input }),
  };
}

/** Starts it; `placeFor` has just said that it can. */
export function startStream(
  job: HostJob,
  { host, activity, partial }: { host: StreamHost; activity: StreamActivity; partial: (text: string) => void },
): JobRun {
  const { jobId, model } = job;
  activity.started({ jobId, kind: 'audio_stt', model, prompt: '', source: 'stream' });
  const observer: JobObserver = {
    phase: (phase) => activity.phase(jobId, phase),
    progress() {},
    token() {},
    partial,
    log: (level, message) => activity.log(jobId, level, 'engine', message),
    // A text has no bytes to write.
    async write() {},
  };
  return host.run(job, observer);
}
