// The `job_holders` table: who held a job and lost it, and who refused it for good.

export type Holder = { job_id: string; worker_id: string; refused: number };

export function holderStatements(db: D1Database) {
  return {
    lost: (jobId: string, workerId: string) =>
      db.prepare('INSERT OR IGNORE INTO job_holders (job_id, worker_id) VALUES (?, ?)').bind(jobId, workerId),
    refused: (jobId: string, workerId: string) =>
      db
        .prepare(
          `INSERT INTO job_holders (job_id, worker_id, refused) VALUES (?, ?, 1)
             ON CONFLICT (job_id, worker_id) DO UPDATE SET refused = 1`,
        )
        .bind(jobId, workerId),
    /** Before a row forgets its worker. */
    remember: (jobId: string) =>
      db
        .prepare(
          `INSERT OR IGNORE INTO job_holders (job_id, worker_id)
             SELECT id, worker_id FROM jobs WHERE id = ? AND worker_id IS NOT NULL AND status IN ('failed', 'cancelled')`,
        )
        .bind(jobId),
    /** An operator's retry gives every worker another chance. */
    forgive: (jobId: string) => db.prepare('UPDATE job_holders SET refused = 0 WHERE job_id = ?').bind(jobId),
    refusals: () =>
      db.prepare(
        `SELECT job_id, worker_id, refused FROM job_holders
           WHERE refused = 1 AND job_id IN (SELECT id FROM jobs WHERE status IN ('queued', 'claimed', 'cancelling'))`,
      ),
    heldBy: (workerId: string, jobIds: string[]) =>
      db
        .prepare(
          `SELECT job_id, worker_id, refused FROM job_holders
             WHERE worker_id = ? AND job_id IN (SELECT value FROM json_each(?))`,
        )
        .bind(workerId, JSON.stringify(jobIds)),
  };
}
export type HolderStatements = ReturnType<typeof holderStatements>;
