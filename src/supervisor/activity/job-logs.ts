// The own log of each job: what its engine said and what became of it. Bounded in every direction, since what an engine
// prints is nobody's promise.
import type { LogLevel } from '../../protocol/index.ts';
import { clip } from '../clip.ts';
import type { JobLog, JobLogLine } from './types.ts';

/** Upstream's sizes. */
export const JOBS_KEPT = 128;
export const LINES_KEPT = 400;
export const LINE_CHARS_MAX = 2_000;

export interface JobLogs {
  add(jobId: string, level: LogLevel, target: string, message: string): void;
  get(jobId: string): JobLog | undefined;
}

type Kept = { lines: JobLogLine[]; dropped: number };

export function openJobLogs(redact: (text: string) => string): JobLogs {
  // In the order in which jobs first said something.
  const logs = new Map<string, Kept>();

  function of(jobId: string): Kept {
    const known = logs.get(jobId);
    if (known !== undefined) return known;
    const kept: Kept = { lines: [], dropped: 0 };
    logs.set(jobId, kept);
    for (const oldest of logs.keys()) {
      if (logs.size <= JOBS_KEPT) break;
      logs.delete(oldest);
    }
    return kept;
  }

  return {
    add(jobId, level, target, message) {
      const kept = of(jobId);
      kept.lines.push({ ts: new Date().toISOString(), level, target, message: clip(redact(message), LINE_CHARS_MAX) });
      // Twice the size before it is cut, so that a talkative engine does not move 400 lines for each of its own.
      if (kept.lines.length >= 2 * LINES_KEPT) cut(kept);
    },
    get(jobId) {
      const kept = logs.get(jobId);
      if (kept === undefined) return undefined;
      cut(kept);
      return { lines: [...kept.lines], dropped: kept.dropped };
    },
  };
}

function cut(kept: Kept): void {
  const surplus = kept.lines.length - LINES_KEPT;
  if (surplus <= 0) return;
  kept.lines.splice(0, surplus);
  kept.dropped += surplus;
}
