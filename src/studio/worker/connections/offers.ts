// Offers queued jobs to workers that have room for them.
import { JobClaim, type TaskKind } from '../../../protocol/index.ts';
import { readText } from '../store/blobs.ts';
import type { ClaimedRow } from '../store/jobs.ts';
import { type Assignment, assign, type Candidate } from './assign.ts';
import { type Context, publishJob, send } from './context.ts';
import type { Claim, LiveJob } from './job-book.ts';
import { cancelNow, failNow, release } from './job-moves.ts';

/** Called whenever a job may have become offerable or a worker free. Never rejects. */
export function offerNext(c: Context): void {
  if (c.book.queued().length === 0) return;
  for (const assignment of assign(c.book.queued(), candidates(c))) {
    offer(c, assignment).catch((error) => console.error('an offer failed', assignment.job.id, error));
  }
}

function candidates(c: Context): Candidate[] {
  return c.roster.ready().flatMap((session) => {
    if (session.offering === undefined) return [];
    const holding: Partial<Record<TaskKind, number>> = {};
    for (const job of c.book.heldBy(session.workerId)) holding[job.kind] = (holding[job.kind] ?? 0) + 1;
    return {
      workerId: session.workerId,
      connectedAt: session.connectedAt,
      multiOffer: session.features.includes('multi-offer'),
      offering: session.offering,
      resting: session.resting,
      holding,
    };
  });
}

async function offer(c: Context, { job, workerId }: Assignment): Promise<void> {
  const claim: Claim = { workerId, offeredAt: Date.now() };
  c.book.claim(job, claim);
  const [result] = await c.journal.write([c.jobs.claim(job.id, workerId, claim.offeredAt)]);
  const row = result?.results[0] as ClaimedRow | undefined;
  // Its worker may have gone while the claim was being written.
  if (job.claim !== claim || c.book.get(job.id) !== job) return;
  if (row === undefined) {
    // Someone else moved the row: it is theirs.
    c.book.remove(job);
    return;
  }
  const read = await readClaim(c, row);
  if (job.claim !== claim || c.book.get(job.id) !== job) return;
  // Cancelled before its worker ever saw it.
  if (claim.cancelAt !== undefined) return cancelNow(c, job);
  if ('problem' in read) {
    await failNow(c, job, { code: 'job_invalid', message: `the job cannot be offered: ${read.problem}` });
    return offerNext(c);
  }
  const session = c.roster.readyOf(workerId);
  if (session === undefined) {
    await release(c, job, { counted: false, error: { message: 'its worker has gone' } });
    return offerNext(c);
  }
  send(session, { type: 'offer', claim: read.claim });
  publishJob(c, job);
}

/** A job without its model, task or model source was never offerable: it is failed here instead of confusing a worker. */
async function readClaim(c: Context, row: ClaimedRow): Promise<{ claim: JobClaim } | { problem: string }> {
  const task = row.task_key === null ? row.task : await readText(c.outputs, row.task_key);
  try {
    const claim = JobClaim.safeParse({
      jobId: row.id,
      gameId: row.game_id,
      assetName: row.asset_name,
      model: row.model,
      vramGbEstimate: row.vram_gb_estimate,
      task: JSON.parse(task ?? 'null'),
      modelSource: JSON.parse(row.model_source ?? 'null'),
    });
    if (claim.success) return { claim: claim.data };
    return { problem: `its ${String(claim.error.issues[0]?.path[0] ?? 'row')} is missing or wrong` };
  } catch {
    return { problem: 'its row is not readable' };
  }
}

/** Takes back every claim of a job that is in the hands of a worker without it. */
export async function releaseAll(c: Context, jobs: LiveJob[], message: string): Promise<void> {
  await Promise.all(
    jobs.map((job) =>
      release(c, job, {
        // A worker that never answered the offer did not try.
        counted: job.claim?.acceptedAt !== undefined,
        error: { code: 'worker_lost', message },
      }),
    ),
  );
}
