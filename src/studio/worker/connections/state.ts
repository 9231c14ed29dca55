// Makes the Durable Object's memory: empty parts first, then what the database and the surviving sockets say.
import type { Env } from '../env.ts';
import type { Limits } from '../limits.ts';
import { type Holder, holderStatements } from '../store/job-holders.ts';
import { jobStatements, type UnfinishedRow } from '../store/jobs.ts';
import { logStatements } from '../store/logs.ts';
import { type ModelRow, modelStatements } from '../store/models.ts';
import { workerStatements } from '../store/workers.ts';
import type { Context } from './context.ts';
import { openEventStream } from './event-stream.ts';
import { JobBook } from './job-book.ts';
import { openJournal } from './journal.ts';
import { toLiveJob } from './operator-moves.ts';
import { Roster } from './roster.ts';
import { reattach } from './session.ts';

type Hooks = { wakeBy: (at: number) => void; onLost: (error: unknown) => void };

export function openContext(env: Env, limits: Limits, hooks: Hooks): Context {
  return {
    limits,
    db: env.DB,
    outputs: env.OUTPUTS,
    jobs: jobStatements(env.DB),
    holders: holderStatements(env.DB),
    workers: workerStatements(env.DB),
    logs: logStatements(env.DB),
    journal: openJournal(env.DB, hooks.onLost),
    book: new JobBook(),
    roster: new Roster(),
    events: openEventStream(limits.eventPingMs),
    models: new Map(),
    nextSeq: 1,
    wakeBy: hooks.wakeBy,
  };
}

/** `sockets` are those that outlived the last instance; what is on the roster already stays there. */
export async function loadState(c: Context, sockets: WebSocket[]): Promise<void> {
  for (const socket of sockets) {
    const session = reattach(socket);
    if (session) c.roster.add(session);
  }
  const [jobs, refusals, models, last] = await c.db.batch([
    c.jobs.unfinished(),
    c.holders.refusals(),
    modelStatements(c.db).list(),
    c.jobs.lastSeq(),
  ]);
  c.nextSeq = ((last?.results[0] as { seq: number } | undefined)?.seq ?? 0) + 1;
  c.models.clear();
  for (const row of (models?.results ?? []) as ModelRow[]) c.models.set(row.id, row);
  loadJobs(c, (jobs?.results ?? []) as UnfinishedRow[], (refusals?.results ?? []) as Holder[]);
}

function loadJobs(c: Context, rows: UnfinishedRow[], refusals: Holder[]): void {
  c.book.clear();
  const now = Date.now();
  const refusedBy = Map.groupBy(refusals, (refusal) => refusal.job_id);
  for (const row of rows) {
    const job = toLiveJob(row, new Set(refusedBy.get(row.id)?.map((refusal) => refusal.worker_id)));
    // The worker of a claim without a socket may still come back: the studio was away, not the worker.
    if (job.claim && c.roster.ofWorker(job.claim.workerId).length === 0) job.claim.lostAt = now;
    c.book.add(job);
  }
  if (c.book.claimed().length > 0 || c.roster.size > 0) c.wakeBy(now + Math.min(c.limits.sweepMs, c.limits.resumeMs));
}
