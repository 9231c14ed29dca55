// Which jobs run and which ran lately. It keeps what a person wants to see of a job, never its task or its result.
import { clip } from '../clip.ts';
import { promptPreview } from '../jobs/job-log.ts';
import type { JobEnd, JobSource, JobStart, JobWire } from './types.ts';

/** Upstream's size, of each of the two rings. */
export const RECENT_KEPT = 50;

/** A studio may call a model anything. */
const MODEL_CHARS_MAX = 200;
/** As a line of the job's own log. */
const REASON_CHARS_MAX = 2_000;

export interface JobHistory {
  started(job: JobStart): JobWire;
  /** `undefined` for a job that does not run. */
  finished(jobId: string, end: JobEnd): JobWire | undefined;
  /** Of a running job, or of one that is still remembered. */
  get(jobId: string): JobWire | undefined;
  gotThumbnail(jobId: string): JobWire | undefined;
  /** Its thumbnail is no longer kept. */
  lostThumbnail(jobId: string): void;
  active(): JobWire[];
  recent(ring: Ring): JobWire[];
}

export type Ring = 'studio' | 'local';

export function ringOf(source: JobSource): Ring {
  return source === 'studio' ? 'studio' : 'local';
}

export function openJobHistory(): JobHistory {
  const active = new Map<string, JobWire>();
  const rings: Record<Ring, JobWire[]> = { studio: [], local: [] };

  function remembered(jobId: string): [JobWire[], number] | undefined {
    for (const ring of Object.values(rings)) {
      const at = ring.findIndex((job) => job.jobId === jobId);
      if (at >= 0) return [ring, at];
    }
    return undefined;
  }

  function setThumbnail(jobId: string, hasThumbnail: boolean): JobWire | undefined {
    const [ring, at] = remembered(jobId) ?? [];
    const job = ring?.[at ?? -1];
    if (ring === undefined || at === undefined || job === undefined) return undefined;
    const changed = { ...job, hasThumbnail };
    ring[at] = changed;
    return changed;
  }

  return {
    started({ jobId, kind, model, prompt, source }) {
      const job: JobWire = {
        ...{ jobId, kind, model: clip(model, MODEL_CHARS_MAX), prompt: promptPreview(prompt), source },
        status: 'running',
        startedAt: new Date().toISOString(),
        hasThumbnail: false,
      };
      active.set(jobId, job);
      return job;
    },
    finished(jobId, end) {
      const job = active.get(jobId);
      if (job === undefined) return undefined;
      active.delete(jobId);
      const finished: JobWire = {
        ...job,
        ...(end.status === 'completed' && end.prompt !== undefined && { prompt: promptPreview(end.prompt) }),
        status: end.status,
        ...(end.status === 'failed' && { reason: clip(end.reason, REASON_CHARS_MAX) }),
        finishedAt: new Date().toISOString(),
      };
      // The studio may offer a job again that ran here before: the earlier run gives way, or there were two of one id.
      const [old, at] = remembered(jobId) ?? [];
      if (old !== undefined && at !== undefined) old.splice(at, 1);
      const ring = rings[ringOf(job.source)];
      ring.unshift(finished);
      ring.length = Math.min(ring.length, RECENT_KEPT);
      return finished;
    },
    get(jobId) {
      const [ring, at] = remembered(jobId) ?? [];
      return active.get(jobId) ?? ring?.[at ?? -1];
    },
    gotThumbnail: (jobId) => setThumbnail(jobId, true),
    lostThumbnail: (jobId) => void setThumbnail(jobId, false),
    active: () => [...active.values()],
    recent: (ring) => [...rings[ring]],
  };
}
