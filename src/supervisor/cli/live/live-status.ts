// What only the running worker knows of itself, for `status`: session, jobs, loaded models.
import type { JobWire } from '../../activity/types.ts';
import type { DaemonStatus, SessionView } from '../../daemon/types.ts';
import type { ModelView } from '../../models/types.ts';
import { findWorker } from '../worker-client.ts';

export type LiveStatus = Pick<
  DaemonStatus,
  'session' | 'paused' | 'takesJobs' | 'heartbeat' | 'gpuRuntime' | 'localApiUrl' | 'activeJobs'
> & { readonly models: readonly Pick<ModelView, 'id' | 'state' | 'resident'>[] };

/** A status is asked for when something may be stuck, so it does not wait for long. */
const TIMEOUT_MS = 10_000;

/** Undefined when no worker runs. Rejects when one does that does not answer. */
export async function liveStatus(configPath: string): Promise<LiveStatus | undefined> {
  const worker = await findWorker(configPath);
  if (worker === undefined) return undefined;
  const [status, models] = await Promise.all([
    worker.json<DaemonStatus>('/daemon/status', { timeoutMs: TIMEOUT_MS }),
    worker.json<ModelView[]>('/models', { timeoutMs: TIMEOUT_MS }),
  ]);
  const { session, paused, takesJobs, heartbeat, gpuRuntime, localApiUrl, activeJobs } = status;
  return {
    ...{ session, paused, takesJobs, heartbeat, gpuRuntime, localApiUrl, activeJobs },
    models: models
      .filter(({ state }) => state !== 'unloaded')
      .map(({ id, state, resident }) => ({ id, state, resident })),
  };
}

export function liveRows(live: LiveStatus): [label: string, value: string][] {
  const { session, heartbeat, gpuRuntime, localApiUrl, activeJobs, models } = live;
  return [
    ['session', sessionText(session)],
    ['takes jobs', live.takesJobs ? 'yes' : live.paused ? 'no (paused; `resume` goes on)' : 'no'],
    ['heartbeat', heartbeat === null ? 'none yet' : heartbeatText(heartbeat)],
    ...(gpuRuntime === null ? [] : [['gpu runtime', gpuRuntime.detail] as [string, string]]),
    ...activeJobs.map((job): [string, string] => ['job', jobText(job)]),
    ...models.map(({ id, state, resident }): [string, string] => {
      return ['model', `${id}: ${state}${resident ? ', resident' : ''}`];
    }),
    ...(localApiUrl === null ? [] : [['local api', localApiUrl] as [string, string]]),
  ];
}

function sessionText(session: SessionView): string {
  switch (session.state) {
    case 'reconnecting':
      return `reconnecting (attempt ${session.attempt})`;
    case 'auth_failed':
    case 'fatal':
      return `${session.state}: ${session.reason}`;
    default:
      return session.state.replaceAll('_', ' ');
  }
}

function heartbeatText(heartbeat: NonNullable<DaemonStatus['heartbeat']>): string {
  const at = heartbeat.lastAttemptAt;
  return heartbeat.outcome === 'ok' ? `answered, last sent ${at}` : `not answered (${heartbeat.reason}), sent ${at}`;
}

function jobText({ jobId, kind, model, source, startedAt }: JobWire): string {
  return `${jobId}: ${kind} with ${model}, of ${source === 'studio' ? 'the studio' : 'this machine'}, since ${startedAt}`;
}
