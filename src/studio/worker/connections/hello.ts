// The first frame of a session: checks who it is, replaces an older session, settles what the worker still holds, and
// welcomes it.
import type { WorkerFrame } from '../../../protocol/index.ts';
import { sameHash, sha256Hex } from '../secrets.ts';
import { INLINE_CHARS_MAX } from '../store/blobs.ts';
import type { Holder } from '../store/job-holders.ts';
import { type Context, closeWith, publishJob, send } from './context.ts';
import type { LiveJob } from './job-book.ts';
import { cancelNow } from './job-moves.ts';
import { offerNext, releaseAll } from './offers.ts';
import { attach, negotiate, offeringOf, type Session } from './session.ts';

export type Hello = Extract<WorkerFrame, { type: 'hello' }>;

export async function greet(c: Context, session: Session, hello: Hello): Promise<void> {
  session.phase = 'greeting';
  const hash = await sha256Hex(hello.authToken);
  if (isClosed(session)) return;
  if (!sameHash(hash, session.tokenHash)) return closeWith(c, session, 'auth_failed', 'the auth token is wrong');

  const capabilitiesJson = JSON.stringify(hello.capabilities);
  if (capabilitiesJson.length > INLINE_CHARS_MAX) return tooLarge(c, session);

  for (const older of c.roster.ofWorker(session.workerId)) {
    if (older === session || older.connectedAt > session.connectedAt) continue;
    // Its claims stay: this session is the same worker, and says below what it still holds.
    closeWith(c, older, 'duplicate_worker', 'replaced by a newer connection of this worker');
  }

  session.trusted = true;
  session.features = negotiate(hello.capabilities);
  session.offering = offeringOf(hello.capabilities);
  session.capabilitiesJson = capabilitiesJson;
  const inFlight = new Set(session.features.includes('resume') ? (hello.inFlight ?? []) : []);
  const settled = settleClaims(c, session.workerId, inFlight);
  const now = Date.now();
  const [[row], resumed] = await Promise.all([
    c.journal.write([
      c.workers.connected(session.workerId, session.capabilitiesJson, hello.capabilities.label ?? null, now),
    ]),
    reclaim(c, session.workerId, inFlight),
    settled,
  ]);
  if (isClosed(session)) return;
  if (row?.meta.changes === 0) return closeWith(c, session, 'worker_deleted', 'this worker was deleted');

  session.phase = 'ready';
  session.lastSeenAt = now;
  attach(session);
  send(session, {
    type: 'welcome',
    workerId: session.workerId,
    serverTime: new Date(now).toISOString(),
    features: session.features,
    ...(session.features.includes('resume') && { resumed: resumed.map((job) => job.id) }),
  });
  for (const job of resumed) publishJob(c, job);
  c.events.publish({ type: 'worker', data: { workerId: session.workerId, change: 'online', at: now } });
  offerNext(c);
}

/** Capabilities are written to one row; ones that do not fit would be tried, and fail, again and again. */
export function tooLarge(c: Context, session: Session): void {
  closeWith(c, session, 'protocol_violation', `capabilities of more than ${INLINE_CHARS_MAX} characters`);
}

/** A hello waits for the database, and the session may have been closed meanwhile. */
function isClosed(session: Session): boolean {
  return session.phase === 'closed';
}

/** Claims that the worker does not name are lost: it restarted, or never knew of them. */
async function settleClaims(c: Context, workerId: string, inFlight: ReadonlySet<string>): Promise<void> {
  const lost: LiveJob[] = [];
  const cancelled: LiveJob[] = [];
  for (const job of c.book.heldBy(workerId)) {
    if (job.claim?.cancelAt !== undefined) cancelled.push(job);
    else if (!inFlight.has(job.id)) lost.push(job);
  }
  await Promise.all([
    ...cancelled.map((job) => cancelNow(c, job)),
    releaseAll(c, lost, 'the worker reconnected without this job'),
  ]);
}

/** The jobs of `inFlight` that are this worker's still, or again: those that nobody else has taken meanwhile. */
async function reclaim(c: Context, workerId: string, inFlight: ReadonlySet<string>): Promise<LiveJob[]> {
  const now = Date.now();
  const jobs = [...inFlight].flatMap((id) => c.book.get(id) ?? []);
  const kept = jobs.filter((job) => job.claim?.workerId === workerId && job.claim.cancelAt === undefined);
  const queued = jobs.filter((job) => job.claim === undefined);
  for (const job of kept) {
    if (job.claim) delete job.claim.lostAt;
  }
  const regained = await regain(c, workerId, queued, now);
  const resumed = [...kept, ...regained];
  for (const job of resumed) {
    if (job.claim && job.claim.acceptedAt === undefined) {
      // Naming it says that the worker runs it, even if its accept was lost with the old socket.
      job.claim.acceptedAt = now;
      void c.journal.write([c.jobs.accept(job.id, workerId, now)]);
    }
  }
  return resumed;
}

async function regain(c: Context, workerId: string, queued: LiveJob[], now: number): Promise<LiveJob[]> {
  if (queued.length === 0) return [];
  const ids = queued.map((job) => job.id);
  const held = await c.holders.heldBy(workerId, ids).all<Holder>();
  const once = new Set(held.results.filter((row) => row.refused === 0).map((row) => row.job_id));
  const regained = await Promise.all(
    queued.map(async (job) => {
      // It may have been offered to another worker while the holders were read.
      if (!once.has(job.id) || job.claim !== undefined || c.book.get(job.id) !== job) return [];
      c.book.claim(job, { workerId, offeredAt: now });
      const [result] = await c.journal.write([c.jobs.claim(job.id, workerId, now)]);
      if (result?.results.length === 1) return job;
      c.book.remove(job);
      return [];
    }),
  );
  return regained.flat();
}
