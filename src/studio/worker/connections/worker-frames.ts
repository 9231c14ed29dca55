// What a welcomed worker says, one function a frame. Answers to jobs that the worker does not hold are told apart: one
// that it held once comes too late and is acknowledged; one that it never held breaks the protocol.
import type { LogEntry, WorkerFrame } from '../../../protocol/index.ts';
import { INLINE_CHARS_MAX, resultKey } from '../store/blobs.ts';
import type { Holder } from '../store/job-holders.ts';
import { type Context, closeWith, publishJob, send } from './context.ts';
import { greet, tooLarge } from './hello.ts';
import type { Claim, LiveJob } from './job-book.ts';
import { cancelNow, failNow, release } from './job-moves.ts';
import { offerNext } from './offers.ts';
import { attach, offeringOf, type Session } from './session.ts';

type Frame<T extends WorkerFrame['type']> = Extract<WorkerFrame, { type: T }>;
type Held = { job: LiveJob; claim: Claim };

export async function handleFrame(c: Context, session: Session, frame: WorkerFrame): Promise<void> {
  if (session.phase === 'open') {
    if (frame.type !== 'hello') {
      return closeWith(c, session, 'protocol_violation', `expected hello first, got ${frame.type}`);
    }
    session.greeted = greet(c, session, frame);
    return session.greeted;
  }
  await session.greeted;
  if (session.phase !== 'ready') return;
  session.lastSeenAt = Date.now();
  switch (frame.type) {
    case 'hello':
      return closeWith(c, session, 'protocol_violation', 'a session has one hello');
    case 'heartbeat':
      return heartbeat(c, session, frame);
    case 'accept':
      return accept(c, session, frame);
    case 'reject':
      return reject(c, session, frame);
    case 'completeJson':
      return completeJson(c, session, frame);
    case 'fail':
      return fail(c, session, frame);
    case 'progress':
      return progress(c, session, frame);
    case 'logBatch':
      return logBatch(c, session, frame.entries);
    case 'readyForMore':
      // Of the grammar, and never sent by a current worker. Offers do not wait for it.
      return;
  }
}

function heartbeat(c: Context, session: Session, frame: Frame<'heartbeat'>): void {
  const capabilitiesJson = JSON.stringify(frame.capabilities);
  if (capabilitiesJson.length > INLINE_CHARS_MAX) return tooLarge(c, session);
  send(session, { type: 'heartbeatAck' });
  const now = Date.now();
  if (capabilitiesJson !== session.capabilitiesJson) {
    session.capabilitiesJson = capabilitiesJson;
    session.offering = offeringOf(frame.capabilities);
    void c.journal.write([c.workers.changed(session.workerId, capabilitiesJson, now)]);
    c.events.publish({ type: 'worker', data: { workerId: session.workerId, change: 'updated', at: now } });
  }
  session.resting.clear();
  attach(session);
  offerNext(c);
}

async function accept(c: Context, session: Session, frame: Frame<'accept'>): Promise<void> {
  const held = await heldBy(c, session, frame.jobId);
  if (held === undefined || held.claim.acceptedAt !== undefined) return;
  held.claim.acceptedAt = Date.now();
  await c.journal.write([c.jobs.accept(held.job.id, session.workerId, held.claim.acceptedAt)]);
  if (held.job.claim === held.claim) publishJob(c, held.job);
}

/** The text of workers that know no reject codes. */
const TRANSIENT_REASON = /\b(busy|paused|in-flight job|only when idle)\b/i;

async function reject(c: Context, session: Session, frame: Frame<'reject'>): Promise<void> {
  const held = await heldBy(c, session, frame.jobId);
  if (held === undefined) return;
  const transient = frame.code !== undefined || TRANSIENT_REASON.test(frame.reason);
  if (transient) rest(session, held.job, frame);
  const released = release(c, held.job, {
    counted: false,
    error: { code: 'rejected', message: frame.reason },
    refused: !transient,
  });
  offerNext(c);
  await released;
}

/** Until its next heartbeat the worker gets no more offers of the kind; paused, or with one slot in all, of none. */
function rest(session: Session, job: LiveJob, frame: Frame<'reject'>): void {
  const paused = frame.code === 'paused' || (frame.code === undefined && !/\bbusy\b|in-flight/i.test(frame.reason));
  const all = paused || !session.features.includes('multi-offer');
  for (const kind of all ? (session.offering?.taskKinds ?? []) : [job.kind]) session.resting.add(kind);
}

async function completeJson(c: Context, session: Session, frame: Frame<'completeJson'>): Promise<void> {
  const held = await heldBy(c, session, frame.jobId);
  const ack = { type: 'completeAck', jobId: frame.jobId } as const;
  if (held === undefined) return send(session, ack);
  const { job, claim } = held;
  if (claim.cancelAt !== undefined) {
    await cancelNow(c, job);
    offerNext(c);
    return send(session, ack);
  }
  const text = JSON.stringify(frame.result);
  let key: string | null = null;
  if (text.length > INLINE_CHARS_MAX) {
    key = resultKey(job.id);
    await c.outputs.put(key, text);
    // Meanwhile the job may have been cancelled or taken away; then the result is late.
    if (job.claim !== claim || claim.cancelAt !== undefined) {
      await c.outputs.delete(key);
      if (job.claim === claim) await cancelNow(c, job);
      return send(session, ack);
    }
  }
  c.book.remove(job);
  const answer = {
    result: key === null ? text : null,
    resultKey: key,
    prompt: frame.prompt?.slice(0, INLINE_CHARS_MAX) ?? null,
  };
  const written = c.journal.write([c.jobs.finishJson(job.id, session.workerId, answer, Date.now())]);
  // The next offer goes into the same batch as this result.
  offerNext(c);
  await written;
  send(session, ack);
  publishJob(c, job, { status: 'done' });
}

async function fail(c: Context, session: Session, frame: Frame<'fail'>): Promise<void> {
  const held = await heldBy(c, session, frame.jobId);
  if (held !== undefined) {
    const { job, claim } = held;
    const error = { ...(frame.code !== undefined && { code: frame.code }), message: frame.error.slice(0, 16_000) };
    const moved =
      claim.cancelAt !== undefined
        ? cancelNow(c, job)
        : frame.retryable
          ? release(c, job, { counted: true, error })
          : failForGood(c, job, error);
    offerNext(c);
    await moved;
  }
  send(session, { type: 'failAck', jobId: frame.jobId });
}

function failForGood(c: Context, job: LiveJob, error: { code?: string; message: string }): Promise<void> {
  job.attempts += 1;
  return failNow(c, job, error);
}

function progress(c: Context, session: Session, frame: Frame<'progress'>): void {
  const job = c.book.get(frame.jobId);
  // Progress of a job that has just been taken away may still be on its way; it means nothing any more.
  if (job?.claim?.workerId !== session.workerId) return;
  const { ratio, step, steps } = frame;
  job.claim.progress = { ratio, ...(step !== undefined && { step }), ...(steps !== undefined && { steps }) };
  publishJob(c, job);
}

/** How many lines were added since the last pruning, by worker: pruning at every batch would read far more than it frees. */
const unpruned = new Map<string, number>();

async function logBatch(c: Context, session: Session, entries: LogEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const { workerId } = session;
  const keep = c.limits.logsPerWorker;
  const statements = c.logs.append(workerId, entries.slice(-keep));
  const added = (unpruned.get(workerId) ?? keep) + entries.length;
  const prune = added >= keep / 10;
  unpruned.set(workerId, prune ? 0 : added);
  if (prune) statements.push(c.logs.prune(workerId, keep));
  await c.journal.write(statements);
  c.events.publish({ type: 'log', data: { workerId, entries, at: Date.now() } });
}

/** The job, if it is in this worker's hands. A job that never was ends the session. */
async function heldBy(c: Context, session: Session, jobId: string): Promise<Held | undefined> {
  const job = c.book.get(jobId);
  if (job?.claim?.workerId === session.workerId) return { job, claim: job.claim };
  const [row, holders] = await Promise.all([
    c.jobs.statusOf(jobId).first<{ worker_id: string | null }>(),
    c.holders.heldBy(session.workerId, [jobId]).all<Holder>(),
  ]);
  if (row?.worker_id === session.workerId || holders.results.length > 0) return undefined;
  closeWith(c, session, 'protocol_violation', `job ${jobId.slice(0, 128)} is not held by this worker`);
  return undefined;
}
