// The `workers` table: who was let in. A worker's token is kept as its hash.

export type WorkerRow = {
  id: string;
  install_id: string;
  label: string | null;
  token_hash: string | null;
  capabilities: string;
  created_at: number;
  connected_at: number | null;
  last_seen_at: number | null;
};

export function workerStatements(db: D1Database) {
  return {
    /** Only when `workerId` is what the request was approved with: of two approvals that race, one makes a worker. */
    insertApproved: (requestId: string, workerId: string, now: number) =>
      db
        .prepare(
          `INSERT INTO workers (id, install_id, label, capabilities, created_at)
             SELECT worker_id, install_id, label, capabilities, ? FROM registrations WHERE id = ? AND worker_id = ?`,
        )
        .bind(now, requestId, workerId),
    setToken: (id: string, tokenHash: string) =>
      db.prepare('UPDATE workers SET token_hash = ? WHERE id = ?').bind(tokenHash, id),
    connected: (id: string, capabilities: string, label: string | null, now: number) =>
      db
        .prepare(
          `UPDATE workers SET capabilities = ?, label = coalesce(?, label), connected_at = ?, last_seen_at = ?
             WHERE id = ?`,
        )
        .bind(capabilities, label, now, now, id),
    changed: (id: string, capabilities: string, now: number) =>
      db.prepare('UPDATE workers SET capabilities = ?, last_seen_at = ? WHERE id = ?').bind(capabilities, now, id),
    seen: (id: string, now: number) => db.prepare('UPDATE workers SET last_seen_at = ? WHERE id = ?').bind(now, id),
    remove: (id: string) => db.prepare('DELETE FROM workers WHERE id = ?').bind(id),
    load: (id: string) => db.prepare('SELECT * FROM workers WHERE id = ?').bind(id),
    list: () => db.prepare('SELECT * FROM workers ORDER BY created_at, id'),
  };
}
export type WorkerStatements = ReturnType<typeof workerStatements>;
