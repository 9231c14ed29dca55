// Shows on a terminal how far a job of ours is. Only an ornament: what goes wrong here is nobody's business.
import type { JobWire, ProgressView } from '../../activity/types.ts';
import type { ModelView } from '../../models/types.ts';
import { workerEvents } from '../live/worker-events.ts';
import { openProgressLine } from '../models/progress-line.ts';
import type { WorkerClient } from '../worker-client.ts';
import type { JobRequest } from './job-request.ts';

/** Resolves when the job may be sent: its first event is not missed then. */
export async function watchJob(worker: WorkerClient, job: Pick<JobRequest, 'kind' | 'prompt'>): Promise<Disposable> {
  const stop = new AbortController();
  const line = openProgressLine(job.kind);
  const ready = Promise.withResolvers<void>();
  const over = follow().catch(() => {});
  void over.then(() => ready.resolve());
  await ready.promise;
  return {
    [Symbol.dispose]() {
      stop.abort();
      line[Symbol.dispose]();
    },
  };

  async function follow(): Promise<void> {
    let ours: string | undefined;
    for await (const event of workerEvents(worker, stop.signal)) {
      if (event === undefined) ready.resolve();
      if (event === undefined || stop.signal.aborted) continue;
      if (event.type === 'job')
        ours ??= isOurs(event.data as unknown as JobWire) ? String(event.data.jobId) : undefined;
      if (event.type === 'progress' && event.data.jobId === ours) {
        const { phase, ratio } = event.data as unknown as ProgressView;
        line.show({ phase, ratio });
      }
      const { model } = event.data as { model?: ModelView | null };
      if (event.type === 'model' && model?.state === 'loading' && model.kind === job.kind) {
        line.show({ ...model, ratio: model.progress });
      }
    }
  }

  function isOurs({ kind, prompt, source, status }: JobWire): boolean {
    return (
      status === 'running' && source !== 'studio' && kind === job.kind && job.prompt.startsWith(prompt.slice(0, 100))
    );
  }
}
