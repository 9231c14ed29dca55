// The `registrations` and `register_attempts` tables: who asked to be let in, and how often an address asked.

export type RegistrationRow = {
  id: string;
  install_id: string;
  secret_hash: string;
  status: 'pending' | 'approved' | 'rejected';
  label: string | null;
  user_agent: string;
  ip: string;
  capabilities: string;
  reason: string | null;
  worker_id: string | null;
  created_at: number;
  decided_at: number | null;
};

export type NewRegistration = {
  id: string;
  installId: string;
  secretHash: string;
  label: string | null;
  userAgent: string;
  ip: string;
  capabilities: string;
  createdAt: number;
};

export function registrationStatements(db: D1Database) {
  return {
    forgetAttempts: (before: number) => db.prepare('DELETE FROM register_attempts WHERE at <= ?').bind(before),
    /** Adds the attempt only while the address is under its limit: no row written means "too many". */
    countAttempt: (ip: string, now: number, perWindow: number) =>
      db
        .prepare(
          `INSERT INTO register_attempts (ip, at)
             SELECT ?, ? WHERE (SELECT count(*) FROM register_attempts WHERE ip = ?) < ?`,
        )
        .bind(ip, now, ip, perWindow),
    /** Does nothing when the same install is already waiting at the same address. */
    insert: (row: NewRegistration) =>
      db
        .prepare(
          `INSERT OR IGNORE INTO registrations
             (id, install_id, secret_hash, status, label, user_agent, ip, capabilities, created_at)
             VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?)`,
        )
        .bind(row.id, row.installId, row.secretHash, row.label, row.userAgent, row.ip, row.capabilities, row.createdAt),
    pendingOf: (installId: string, ip: string) =>
      db
        .prepare(`SELECT * FROM registrations WHERE install_id = ? AND ip = ? AND status = 'pending'`)
        .bind(installId, ip),
    load: (id: string) => db.prepare('SELECT * FROM registrations WHERE id = ?').bind(id),
    list: (status: string | undefined) =>
      status === undefined
        ? db.prepare('SELECT * FROM registrations ORDER BY created_at DESC LIMIT 500')
        : db.prepare('SELECT * FROM registrations WHERE status = ? ORDER BY created_at DESC LIMIT 500').bind(status),
    approve: (id: string, workerId: string, now: number) =>
      db
        .prepare(
          `UPDATE registrations SET status = 'approved', worker_id = ?, decided_at = ?
             WHERE id = ? AND status = 'pending'`,
        )
        .bind(workerId, now, id),
    reject: (id: string, reason: string, now: number) =>
      db
        .prepare(
          `UPDATE registrations SET status = 'rejected', reason = ?, decided_at = ? WHERE id = ? AND status = 'pending'`,
        )
        .bind(reason, now, id),
    removeOfWorker: (workerId: string) => db.prepare('DELETE FROM registrations WHERE worker_id = ?').bind(workerId),
  };
}
