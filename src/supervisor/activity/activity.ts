// What happens on this worker, in one place: running and recent jobs with their logs and thumbnails, and the stream of
// events. Whoever runs a job tells it here; nothing that it does with that can hurt the job.
import type { Logs } from '../logs/logs.ts';
import { openEventHub, PROGRESS_EVERY_MS } from './event-hub.ts';
import { openJobHistory } from './job-history.ts';
import { openJobLogs } from './job-logs.ts';
import { openPreviews } from './previews.ts';
import type { Recorder } from './recorder.ts';
import type { Activity, JobEnd, JobStart, ProgressView } from './types.ts';

export type ActivityOptions = {
  readonly logs: Logs;
  readonly recorder: Recorder;
  /** For results while their thumbnails are made; on the file system of the outbox. */
  readonly previewDir: string;
  readonly modelsRoot: string;
};

type Running = { readonly job: JobStart; readonly startedMs: number; progress: ProgressView; toldMs: number };

export async function openActivity({ logs, recorder, previewDir, modelsRoot }: ActivityOptions): Promise<Activity> {
  const events = openEventHub();
  const history = openJobHistory();
  const jobLogs = openJobLogs(logs.redactor.text);
  const running = new Map<string, Running>();
  const previews = await openPreviews({
    dir: previewDir,
    modelsRoot,
    made(jobId) {
      const job = history.gotThumbnail(jobId);
      if (job !== undefined) events.publish('job', job);
    },
    dropped: history.lostThumbnail,
    failed: (jobId, why) => logs.debug('activity', 'no thumbnail of a result', { jobId, why }),
  });
  const observing = logs.observe({
    entry: (entry) => events.publish('log', { ...entry, seq: logs.ring.newestSeq }),
    flush: () => Promise.resolve(),
  });

  function tell(jobId: string, seen: Running, progress: ProgressView, urgent: boolean): void {
    seen.progress = progress;
    const now = performance.now();
    if (!urgent && now - seen.toldMs < PROGRESS_EVERY_MS) return;
    seen.toldMs = now;
    events.publish('progress', progress);
    if (urgent) jobLogs.add(jobId, 'info', 'job', progress.phase);
  }

  return {
    events,
    started(job) {
      const { jobId, kind, source, waitedMs = 0 } = job;
      previews.forget(jobId);
      running.set(jobId, {
        job,
        startedMs: performance.now(),
        progress: { jobId, phase: 'running' },
        toldMs: Number.NEGATIVE_INFINITY,
      });
      recorder.waited(kind, source, waitedMs);
      jobLogs.add(jobId, 'info', 'job', `started: ${kind} with ${job.model}`);
      events.publish('job', history.started(job));
    },
    phase(jobId, phase) {
      const seen = running.get(jobId);
      if (seen !== undefined) tell(jobId, seen, { jobId, phase }, true);
    },
    progress(jobId, { ratio, step, steps }) {
      const seen = running.get(jobId);
      if (seen === undefined || Number.isNaN(ratio)) return;
      const { phase } = seen.progress;
      const counts = { ...(step !== undefined && { step }), ...(steps !== undefined && { steps }) };
      tell(jobId, seen, { jobId, phase, ratio: Math.min(1, Math.max(0, ratio)), ...counts }, false);
    },
    log: jobLogs.add,
    finished(jobId, end, preview) {
      const seen = running.get(jobId);
      const job = history.finished(jobId, end);
      if (seen === undefined || job === undefined) return;
      running.delete(jobId);
      const runMs = performance.now() - seen.startedMs;
      recorder.jobFinished({ kind: job.kind, source: job.source, end, runMs });
      jobLogs.add(jobId, end.status === 'completed' ? 'info' : 'error', 'job', lastLine(end, runMs));
      events.publish('job', job);
      if (preview !== undefined) previews.want(jobId, preview);
    },
    active: history.active,
    recent: history.recent,
    logOf: jobLogs.get,
    thumbnailOf: previews.get,
    thumbnailsMade: previews.idle,
    async [Symbol.asyncDispose]() {
      observing[Symbol.dispose]();
      await previews[Symbol.asyncDispose]();
    },
  };
}

function lastLine(end: JobEnd, runMs: number): string {
  const after = `after ${(runMs / 1000).toFixed(1)} s`;
  return end.status === 'completed' ? `completed ${after}` : `failed ${after}: ${end.code}: ${end.reason}`;
}
