// Sends a job to the running worker and waits for its answer, for as long as its model takes to load.
import { setTimeout as sleep } from 'node:timers/promises';
import { refusalOf, type WorkerClient, type WorkerRefusal } from '../worker-client.ts';
import type { JobRequest } from './job-request.ts';

/** Between two questions, in s. */
const RETRY_SECS = { usual: 2, most: 60 } as const;

/** Rejects with a `WorkerRefusal` when the worker says no. */
export async function sendJob(worker: WorkerClient, { path, body }: JobRequest): Promise<Response> {
  for (;;) {
    const response = await worker.ask(path, { method: 'POST', body, timeoutMs: 0 });
    if (response.ok) return response;
    const refusal: WorkerRefusal = await refusalOf(response);
    // The load goes on; only the question has to be asked again.
    if (refusal.code !== 'model_loading') throw refusal;
    const secs = Number(response.headers.get('retry-after') ?? RETRY_SECS.usual);
    await sleep(Math.min(RETRY_SECS.most, Math.max(1, secs || RETRY_SECS.usual)) * 1000);
  }
}
