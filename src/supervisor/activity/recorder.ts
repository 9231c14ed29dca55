// What the worker counts about itself from its first moment, as plain numbers; metrics.ts turns them into a scrape. No label
// here takes a value that a stranger chose: no job id, no prompt, no name of a model.
import { FAILURES, type TaskKind } from '../../protocol/index.ts';
import type { HostCounts } from '../../workers/types.ts';
import { Histogram, Tally } from './tally.ts';
import type { JobEnd, JobSource } from './types.ts';

/** In seconds. A place is free at once, after a job, or after several. */
const WAIT_BOUNDS = [0.005, 0.05, 0.25, 1, 5, 15, 60, 300];
/** A token of a small model takes milliseconds, a video takes an hour. */
const RUN_BOUNDS = [0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 180, 600, 1_800, 3_600];
/** From a small model on the disk cache to a large one over a slow disk. */
const LOAD_BOUNDS = [0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320];
/** What a model took, divided by what was reserved for it: 1 is a perfect estimate. */
const RATIO_BOUNDS = [0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 4];

export type FinishedJob = {
  readonly kind: TaskKind;
  readonly source: JobSource;
  readonly end: JobEnd;
  readonly runMs: number;
};

export type Recorder = {
  readonly jobs: Tally;
  readonly waits: Histogram;
  readonly runs: Histogram;
  readonly refusals: Tally;
  readonly tokens: Tally;
  readonly loads: Histogram;
  readonly loadFailures: Tally;
  readonly evictions: Tally;
  readonly estimates: Histogram;
  readonly downloads: Tally;
  /** What a host tells of its work. */
  readonly host: HostCounts;
  jobFinished(job: FinishedJob): void;
  waited(kind: TaskKind, source: JobSource, ms: number): void;
};

export function openRecorder(): Recorder {
  const jobs = new Tally();
  const waits = new Histogram(WAIT_BOUNDS);
  const runs = new Histogram(RUN_BOUNDS);
  const tokens = new Tally();
  const evictions = new Tally();
  const downloads = new Tally();
  return {
    ...{ jobs, waits, runs, tokens },
    refusals: new Tally(),
    loads: new Histogram(LOAD_BOUNDS),
    loadFailures: new Tally(),
    evictions,
    estimates: new Histogram(RATIO_BOUNDS),
    downloads,
    host: {
      evicted: (kind) => evictions.add({ kind }),
      received: (bytes) => downloads.add({}, bytes),
    },
    jobFinished({ kind, source, end, runMs }) {
      const code = end.status === 'completed' ? '' : codeLabel(end.code);
      const outcome = end.status === 'completed' ? 'completed' : code === 'cancelled' ? 'cancelled' : 'failed';
      jobs.add({ kind, source, outcome, code });
      runs.observe({ kind, source }, runMs / 1000);
      if (end.status !== 'completed' || end.tokens === undefined) return;
      tokens.add({ source, direction: 'in' }, end.tokens.prompt);
      tokens.add({ source, direction: 'out' }, end.tokens.completion);
    },
    waited: (kind, source, ms) => waits.observe({ kind, source }, ms / 1000),
  };
}

/** Codes are those of the one table; whatever else says why something failed becomes one word. */
export function codeLabel(code: string): string {
  return Object.hasOwn(FAILURES, code) ? code.toLowerCase() : 'other';
}
