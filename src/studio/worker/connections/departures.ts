// What happens when a worker is gone: its socket closed, it fell silent, or the operator deleted it.
import { CloseCode } from '../../../protocol/index.ts';
import { type Context, close, closeWith } from './context.ts';
import { cancelNow } from './job-moves.ts';
import { offerNext, releaseAll } from './offers.ts';
import type { Session } from './session.ts';

/** The session is already off the roster. Its claims wait when the worker can resume, else they go back at once. */
export async function depart(c: Context, session: Session): Promise<void> {
  const { workerId } = session;
  if (session.departed) return;
  session.departed = true;
  // A socket that never proved who it is decides nothing for the worker whose name it carries.
  if (!session.trusted) return;
  // A newer session of the same worker has taken over what this one held.
  if (c.roster.ofWorker(workerId).length > 0) return;
  const now = Date.now();
  const jobs = c.book.heldBy(workerId);
  const cancelled = jobs.filter((job) => job.claim?.cancelAt !== undefined);
  const running = jobs.filter((job) => job.claim?.cancelAt === undefined);
  const moves: Promise<unknown>[] = cancelled.map((job) => cancelNow(c, job));
  if (session.features.includes('resume')) {
    for (const job of running) if (job.claim) job.claim.lostAt = now;
    if (running.length > 0) c.wakeBy(now + c.limits.resumeMs);
  } else moves.push(releaseAll(c, running, 'the connection to the worker was lost'));
  moves.push(c.journal.write([c.workers.seen(workerId, session.lastSeenAt)]));
  c.events.publish({ type: 'worker', data: { workerId, change: 'offline', at: now } });
  offerNext(c);
  await Promise.all(moves);
}

/** One pass over everything that has a deadline; it asks for the next one while anything is left to watch. */
export async function sweep(c: Context, now: number): Promise<void> {
  const moves: Promise<unknown>[] = [];
  for (const session of c.roster.all()) {
    if (session.phase !== 'ready' && now - session.connectedAt >= c.limits.helloMsMax) {
      closeWith(c, session, 'auth_failed', `no hello within ${c.limits.helloMsMax} ms`);
    } else if (session.phase === 'ready' && now - session.lastSeenAt >= c.limits.silentMs) {
      // Without an error frame: a worker takes every error as final, and this one should come back.
      close(c, session, CloseCode.normal, `nothing heard for ${c.limits.silentMs} ms`);
      moves.push(depart(c, session));
    }
  }
  for (const job of c.book.claimed()) {
    const { lostAt, cancelAt } = job.claim ?? {};
    if (cancelAt !== undefined && now - cancelAt >= c.limits.cancelMs) moves.push(cancelNow(c, job));
    else if (lostAt !== undefined && now - lostAt >= c.limits.resumeMs) {
      moves.push(releaseAll(c, [job], 'the worker did not come back'));
    }
  }
  offerNext(c);
  await Promise.all(moves);
  const next = nextSweep(c, Date.now());
  if (next !== undefined) c.wakeBy(next);
}

function nextSweep(c: Context, now: number): number | undefined {
  const claims = c.book.claimed().flatMap((job) => job.claim ?? []);
  if (c.roster.size === 0 && claims.length === 0) return undefined;
  const deadlines = [
    now + c.limits.sweepMs,
    ...c.roster
      .all()
      .filter((session) => session.phase !== 'ready')
      .map((session) => session.connectedAt + c.limits.helloMsMax),
    ...claims.flatMap((claim) => (claim.lostAt === undefined ? [] : claim.lostAt + c.limits.resumeMs)),
    ...claims.flatMap((claim) => (claim.cancelAt === undefined ? [] : claim.cancelAt + c.limits.cancelMs)),
  ];
  // Never at once again: a deadline that has just passed was served by this pass.
  return Math.max(now + 1, Math.min(...deadlines));
}
