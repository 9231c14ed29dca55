// What a running job of the studio says of itself, and who is told: the studio its progress, the operator the complaints
// of its engine, activity everything.
import type { JobClaim } from '../../protocol/index.ts';
import type { JobObserver, JobResult } from '../../workers/types.ts';
import { tokensOf } from '../activity/tokens-of.ts';
import type { Activity, JobEnd, Preview } from '../activity/types.ts';
import type { OutboxEntry, ResultWriter } from '../delivery/outbox.ts';
import type { Logs } from '../logs/logs.ts';
import type { Session } from '../session/session.ts';
import { ProgressGate, wireProgress } from './progress-gate.ts';

export type Told = {
  readonly activity: Activity;
  readonly logs: Logs;
  /** The session in which the studio holds the job for this worker; `undefined` when there is none. */
  readonly session: () => Session | undefined;
};

export function observeJob(jobId: string, writer: ResultWriter, { activity, logs, session }: Told): JobObserver {
  const gate = new ProgressGate();
  return {
    phase(phase) {
      logs.debug('job', 'phase', { jobId, phase });
      activity.phase(jobId, phase);
    },
    loadProgress: (ratio) => activity.progress(jobId, { ratio }),
    progress(progress) {
      activity.progress(jobId, progress);
      const holder = session();
      if (!holder?.features.has('progress')) return;
      const wire = wireProgress(progress);
      if (wire === undefined || !gate.passes(performance.now())) return;
      void holder.send({ type: 'progress', jobId, ...wire });
    },
    token: () => {},
    log(level, message) {
      activity.log(jobId, level, 'engine', message);
      // What the engine prints is the job's own log; only its complaints concern the operator.
      logs[level === 'info' ? 'debug' : level]('engine', message, { jobId });
    },
    write: (chunk) => writer.write(chunk),
  };
}

export function completed(result: JobResult): JobEnd {
  const tokens = result.kind === 'json' ? tokensOf(result.value) : undefined;
  return { status: 'completed', ...(tokens !== undefined && { tokens }) };
}

/** Pictures and videos can be shown small. */
export function previewOf(claim: JobClaim, { result, path }: OutboxEntry): Preview | undefined {
  const { kind } = claim.task;
  if (result.kind === 'json' || (kind !== 'image' && kind !== 'video')) return undefined;
  return { ext: result.ext, path };
}
