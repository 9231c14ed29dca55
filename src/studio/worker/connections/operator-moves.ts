// What the operator (and an upload) does to jobs: create, cancel, retry, take a delivered output.
import type { TaskKind } from '../../../protocol/index.ts';
import type { JobStatus } from '../api/job.ts';
import type { Outcome } from '../problem.ts';
import type { Output, UnfinishedRow } from '../store/jobs.ts';
import { type Context, publishJob, send } from './context.ts';
import type { LiveJob } from './job-book.ts';
import { cancelNow } from './job-moves.ts';
import { offerNext } from './offers.ts';

/** A checked job. `task` is its JSON, or lies in R2 under `taskKey` when it is large. */
export type JobOrder = {
  id: string;
  kind: TaskKind;
  model: string;
  /** JSON of the model source; absent: `model` names a catalogue entry. */
  modelSource?: string;
  vramGbEstimate?: number;
  task: string | null;
  taskKey: string | null;
  gameId: string;
  assetName: string;
};

export type Created = { id: string; createdAt: number; vramGbEstimate: number };

export async function createJob(c: Context, order: JobOrder): Promise<Outcome<Created>> {
  const entry = c.models.get(order.model);
  const source = order.modelSource ?? entry?.source;
  if (source === undefined) {
    return { ok: false, code: 'invalid_request', message: `model: no "${order.model}" in the catalogue` };
  }
  if (order.modelSource === undefined && entry && entry.kind !== order.kind) {
    return { ok: false, code: 'invalid_request', message: `model: "${order.model}" is for ${entry.kind} jobs` };
  }
  const inherited = order.modelSource === undefined ? (entry?.vram_gb_estimate ?? 0) : 0;
  const vramGbEstimate = order.vramGbEstimate ?? inherited;
  const createdAt = Date.now();
  const seq = c.nextSeq;
  c.nextSeq += 1;
  const job: LiveJob = {
    seq,
    id: order.id,
    kind: order.kind,
    model: order.model,
    vramGbEstimate,
    attempts: 0,
    claim: undefined,
    refusedBy: new Set(),
  };
  const row = { ...order, seq, modelSource: source, vramGbEstimate, createdAt };
  const written = c.journal.write([c.jobs.insert(row)]);
  c.book.add(job);
  // The claim goes into the same batch as the row, so a free worker has its offer after one round trip.
  offerNext(c);
  await written;
  publishJob(c, { ...job, claim: undefined });
  return { ok: true, value: { id: job.id, createdAt, vramGbEstimate } };
}

export async function cancelJob(c: Context, id: string): Promise<Outcome<{ status: JobStatus }>> {
  const job = c.book.get(id);
  if (job === undefined) return cannotCancel(c, id);
  const claim = job.claim;
  const session = claim && c.roster.readyOf(claim.workerId);
  if (claim && session?.features.includes('cancel')) {
    if (claim.cancelAt === undefined) {
      claim.cancelAt = Date.now();
      await c.journal.write([c.jobs.beginCancel(id, claim.workerId, claim.cancelAt)]);
      send(session, { type: 'cancel', jobId: id, reason: 'cancelled by the operator' });
      c.wakeBy(claim.cancelAt + c.limits.cancelMs);
      if (job.claim === claim && c.book.get(id) === job) publishJob(c, job);
    }
    return { ok: true, value: { status: 'cancelling' } };
  }
  const cancelled = cancelNow(c, job);
  offerNext(c);
  await cancelled;
  return { ok: true, value: { status: 'cancelled' } };
}

async function cannotCancel(c: Context, id: string): Promise<Outcome<{ status: JobStatus }>> {
  const row = await c.jobs.statusOf(id).first<{ status: JobStatus }>();
  if (row === null) return { ok: false, code: 'not_found', message: 'there is no such job' };
  // Cancelling twice is no mistake.
  if (row.status === 'cancelled') return { ok: true, value: { status: 'cancelled' } };
  return { ok: false, code: 'conflict', message: `the job is ${row.status}` };
}

export async function retryJob(c: Context, id: string): Promise<Outcome<{ status: JobStatus }>> {
  const [, result] = await c.journal.write([c.holders.remember(id), c.jobs.retry(id), c.holders.forgive(id)]);
  const row = result?.results[0] as UnfinishedRow | undefined;
  if (row === undefined) {
    const known = await c.jobs.statusOf(id).first<{ status: JobStatus }>();
    if (known === null) return { ok: false, code: 'not_found', message: 'there is no such job' };
    return {
      ok: false,
      code: 'conflict',
      message: `the job is ${known.status}; only failed and cancelled ones start again`,
    };
  }
  const job = toLiveJob(row, new Set());
  c.book.add(job);
  publishJob(c, job);
  offerNext(c);
  return { ok: true, value: { status: 'queued' } };
}

/** The bytes are in R2 already. The job becomes done only if it is still in this worker's hands. */
export async function completeUpload(
  c: Context,
  workerId: string,
  jobId: string,
  output: Output,
  prompt: string,
): Promise<Outcome<{ jobId: string }>> {
  const job = c.book.get(jobId);
  if (job?.claim?.workerId !== workerId || job.claim.cancelAt !== undefined) {
    return { ok: false, code: 'conflict', message: 'the job is not claimed by this worker' };
  }
  c.book.remove(job);
  const written = c.journal.write([c.jobs.finishOutput(jobId, workerId, output, prompt, Date.now())]);
  offerNext(c);
  const [result] = await written;
  if (result?.meta.changes !== 1) return { ok: false, code: 'conflict', message: 'the job has moved on' };
  publishJob(c, job, { status: 'done' });
  const session = c.roster.readyOf(workerId);
  if (session) send(session, { type: 'completeAck', jobId });
  return { ok: true, value: { jobId } };
}

export function toLiveJob(row: UnfinishedRow, refusedBy: Set<string>): LiveJob {
  return {
    seq: row.seq,
    id: row.id,
    kind: row.kind,
    model: row.model ?? '',
    vramGbEstimate: row.vram_gb_estimate,
    attempts: row.attempts,
    refusedBy,
    claim:
      row.status === 'queued' || row.worker_id === null
        ? undefined
        : {
            workerId: row.worker_id,
            offeredAt: row.offered_at ?? 0,
            ...(row.accepted_at !== null && { acceptedAt: row.accepted_at }),
            ...(row.cancel_at !== null && { cancelAt: row.cancel_at }),
          },
  };
}
