// The `logs` table: the newest lines that each worker shipped.
import type { LogEntry } from '../../../protocol/index.ts';
import type { LogLine, LogQuery } from '../api/worker.ts';

/** A row may not grow past what D1 holds; a line of a log that is longer than this is cut. */
const MESSAGE_CHARS_MAX = 8_000;
/** Keeps one statement's parameter below D1's 2 MB a value. */
const LINES_PER_STATEMENT = 100;

export function logStatements(db: D1Database) {
  return {
    append: (workerId: string, entries: LogEntry[]) => {
      const statements: D1PreparedStatement[] = [];
      for (let start = 0; start < entries.length; start += LINES_PER_STATEMENT) {
        const lines = entries.slice(start, start + LINES_PER_STATEMENT).map(cut);
        statements.push(
          db
            .prepare(
              `INSERT INTO logs (worker_id, ts, level, category, message, job_id)
                 SELECT ?, value ->> 'ts', value ->> 'level', value ->> 'category', value ->> 'message',
                   value ->> 'jobId' FROM json_each(?)`,
            )
            .bind(workerId, JSON.stringify(lines)),
        );
      }
      return statements;
    },
    /** Keeps the newest `keep` lines of the worker. */
    prune: (workerId: string, keep: number) =>
      db
        .prepare(
          `DELETE FROM logs WHERE worker_id = ? AND seq <=
             (SELECT seq FROM logs WHERE worker_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
        )
        .bind(workerId, workerId, keep),
    remove: (workerId: string) => db.prepare('DELETE FROM logs WHERE worker_id = ?').bind(workerId),
  };
}

function cut(entry: LogEntry): LogEntry {
  return {
    ...entry,
    ts: entry.ts.slice(0, 64),
    category: entry.category.slice(0, 256),
    message: entry.message.slice(0, MESSAGE_CHARS_MAX),
    ...(entry.jobId !== undefined && { jobId: entry.jobId.slice(0, 256) }),
  };
}

type LogRow = { seq: number; ts: string; level: LogLine['level']; category: string; message: string; job_id: string };

export async function loadLogs(db: D1Database, workerId: string, query: LogQuery): Promise<LogLine[]> {
  const { results } = await db
    .prepare(
      `SELECT seq, ts, level, category, message, job_id FROM logs
         WHERE worker_id = ?1 AND seq < ?2 AND (?3 IS NULL OR level = ?3) ORDER BY seq DESC LIMIT ?4`,
    )
    .bind(workerId, query.before ?? Number.MAX_SAFE_INTEGER, query.level ?? null, query.limit)
    .all<LogRow>();
  return results.reverse().map((row) => ({
    seq: row.seq,
    ts: row.ts,
    level: row.level,
    category: row.category,
    message: row.message,
    ...(row.job_id !== null && { jobId: row.job_id }),
  }));
}
