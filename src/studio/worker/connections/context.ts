// What the parts of the Durable Object share: one of each, made when the object wakes up.
import { closeCodeOf, type ErrorCode, type StudioFrame } from '../../../protocol/index.ts';
import type { Limits } from '../limits.ts';
import type { HolderStatements } from '../store/job-holders.ts';
import type { JobStatements } from '../store/jobs.ts';
import type { logStatements } from '../store/logs.ts';
import type { ModelRow } from '../store/models.ts';
import type { WorkerStatements } from '../store/workers.ts';
import type { EventStream } from './event-stream.ts';
import { type JobBook, type LiveJob, statusOf } from './job-book.ts';
import type { Journal } from './journal.ts';
import type { Roster } from './roster.ts';
import type { Session } from './session.ts';

export interface Context {
  readonly limits: Limits;
  readonly db: D1Database;
  readonly outputs: R2Bucket;
  readonly jobs: JobStatements;
  readonly holders: HolderStatements;
  readonly workers: WorkerStatements;
  readonly logs: ReturnType<typeof logStatements>;
  readonly journal: Journal;
  readonly book: JobBook;
  readonly roster: Roster;
  readonly events: EventStream;
  /** The catalogue, by id. */
  readonly models: Map<string, ModelRow>;
  /** The number of the next job. */
  nextSeq: number;
  /** Makes sure that the sweep runs at `at` or before. */
  wakeBy(at: number): void;
}

/** A socket that has just gone cannot be written to; its close event follows and cleans up. */
export function send(session: Session, frame: StudioFrame): void {
  if (session.phase === 'closed') return;
  try {
    session.socket.send(JSON.stringify(frame));
  } catch (error) {
    console.warn('a frame could not be sent', frame.type, session.workerId, String(error));
  }
}

/** Says why and closes. The session is off the roster at once; what becomes of its claims is the caller's business. */
export function closeWith(c: Context, session: Session, code: ErrorCode, message: string): void {
  send(session, { type: 'error', code, message });
  close(c, session, closeCodeOf(code), code);
}

export function close(c: Context, session: Session, code: number, reason: string): void {
  c.roster.remove(session);
  session.phase = 'closed';
  // After an eviction nothing may take this socket for a session.
  session.socket.serializeAttachment(null);
  try {
    session.socket.close(code, reason);
  } catch {
    // Already closed by the other end.
  }
}

/** Tells the listeners where a job stands now, or with what it ended. */
export function publishJob(c: Context, job: LiveJob, ended?: Ended): void {
  if (c.events.listeners === 0) return;
  const claim = job.claim;
  c.events.publish({
    type: 'job',
    data: {
      jobId: job.id,
      kind: job.kind,
      model: job.model,
      status: ended?.status ?? statusOf(job),
      attempts: job.attempts,
      ...(claim && { workerId: claim.workerId }),
      ...(claim?.acceptedAt !== undefined && { acceptedAt: claim.acceptedAt }),
      ...(claim?.progress && !ended && { progress: claim.progress }),
      ...(ended?.status === 'failed' && { error: ended.error }),
      at: Date.now(),
    },
  });
}

export type JobError = { code?: string; message: string };
export type Ended = { status: 'done' } | { status: 'cancelled' } | { status: 'failed'; error: JobError };
