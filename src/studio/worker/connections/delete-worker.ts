// Removes a worker for good: its token, its registration and its logs go, its jobs return to the queue, it is told.
import type { Outcome } from '../problem.ts';
import { registrationStatements } from '../store/registrations.ts';
import { type Context, closeWith } from './context.ts';
import { cancelNow } from './job-moves.ts';
import { offerNext, releaseAll } from './offers.ts';

export async function deleteWorker(c: Context, workerId: string): Promise<Outcome<{ workerId: string }>> {
  const [removed] = await c.journal.write([
    c.workers.remove(workerId),
    registrationStatements(c.db).removeOfWorker(workerId),
    c.logs.remove(workerId),
  ]);
  if (removed?.meta.changes !== 1) return { ok: false, code: 'not_found', message: 'there is no such worker' };
  for (const session of c.roster.ofWorker(workerId)) {
    closeWith(c, session, 'worker_deleted', 'this worker was deleted by the operator');
  }
  const jobs = c.book.heldBy(workerId);
  const moves = [
    ...jobs.filter((job) => job.claim?.cancelAt !== undefined).map((job) => cancelNow(c, job)),
    releaseAll(
      c,
      jobs.filter((job) => job.claim?.cancelAt === undefined),
      'the worker was deleted',
    ),
  ];
  c.events.publish({ type: 'worker', data: { workerId, change: 'deleted', at: Date.now() } });
  offerNext(c);
  await Promise.all(moves);
  return { ok: true, value: { workerId } };
}
