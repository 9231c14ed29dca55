// The moves of an unfinished job: back to the queue, or to its end. Each changes memory at once, then the database, and
// only then tells the listeners.
//
//   queued ─offer→ claimed ─result→ done
//                  claimed ─fail, loss→ queued (attempt + 1) or failed
//                  claimed ─reject→ queued
//   queued ─cancel→ cancelled        claimed ─cancel→ cancelling ─answer, loss, deadline→ cancelled
import { type Context, type JobError, publishJob } from './context.ts';
import type { LiveJob } from './job-book.ts';

/** Why a claim ends without a result. `counted`: did the attempt count, or did the worker never really try? */
export type Release = { counted: boolean; error: JobError; refused?: boolean };

/** Takes the job out of its worker's hands: cancelled if that was wanted, failed when its attempts are spent, else queued. */
export async function release(c: Context, job: LiveJob, why: Release): Promise<void> {
  const claim = job.claim;
  if (claim === undefined) return;
  if (claim.cancelAt !== undefined) return cancelNow(c, job);
  if (why.counted) job.attempts += 1;
  if (job.attempts >= c.limits.attemptsMax) return failNow(c, job, why.error);
  if (why.refused) job.refusedBy.add(claim.workerId);
  c.book.requeue(job);
  const holder = why.refused ? c.holders.refused(job.id, claim.workerId) : c.holders.lost(job.id, claim.workerId);
  await c.journal.write([c.jobs.requeue(job.id, claim.workerId, job.attempts), holder]);
  // By the time it is written the job may have been offered again, and that move tells its own event.
  if (job.claim === undefined && c.book.get(job.id) === job) publishJob(c, job);
}

export async function failNow(c: Context, job: LiveJob, error: JobError): Promise<void> {
  c.book.remove(job);
  await c.journal.write([c.jobs.fail(job.id, job.attempts, error, Date.now())]);
  publishJob(c, job, { status: 'failed', error });
}

export async function cancelNow(c: Context, job: LiveJob): Promise<void> {
  c.book.remove(job);
  // `worker_id` stays in the row, which marks a late answer of this worker as one that may come.
  await c.journal.write([c.jobs.cancel(job.id, Date.now())]);
  publishJob(c, job, { status: 'cancelled' });
}
