// Reads jobs for the operator: rows of the `jobs` table as the API shows them.
import type { JobQuery, JobView } from '../api/job.ts';

type ViewRow = {
  seq: number;
  id: string;
  kind: JobView['kind'];
  model: string | null;
  game_id: string;
  asset_name: string;
  vram_gb_estimate: number;
  status: JobView['status'];
  attempts: number;
  worker_id: string | null;
  created_at: number;
  offered_at: number | null;
  accepted_at: number | null;
  finished_at: number | null;
  error_code: string | null;
  error_message: string | null;
  output_ext: string | null;
  output_bytes: number | null;
  output_type: string | null;
};
export type FullRow = ViewRow & {
  prompt: string | null;
  result: string | null;
  result_key: string | null;
  output_key: string | null;
};

const COLUMNS = `seq, id, kind, model, game_id, asset_name, vram_gb_estimate, status, attempts, worker_id, created_at,
  offered_at, accepted_at, finished_at, error_code, error_message, output_ext, output_bytes, output_type`;

export function loadJob(db: D1Database, id: string): Promise<FullRow | null> {
  return db
    .prepare(`SELECT ${COLUMNS}, prompt, result, result_key, output_key FROM jobs WHERE id = ?`)
    .bind(id)
    .first<FullRow>();
}

/** Newest first, one more than asked for when there is one, so that the caller knows whether to go on. */
export async function loadJobs(db: D1Database, query: JobQuery): Promise<JobView[]> {
  const where: string[] = [];
  const values: unknown[] = [];
  if (query.status) {
    where.push('status = ?');
    values.push(query.status);
  }
  if (query.kind) {
    where.push('kind = ?');
    values.push(query.kind);
  }
  if (query.before) {
    where.push('seq < (SELECT seq FROM jobs WHERE id = ?)');
    values.push(query.before);
  }
  const sql = `SELECT ${COLUMNS} FROM jobs ${where.length ? `WHERE ${where.join(' AND ')}` : ''} ORDER BY seq DESC LIMIT ?`;
  const { results } = await db
    .prepare(sql)
    .bind(...values, query.limit + 1)
    .all<ViewRow>();
  return results.map(toView);
}

export function toView(row: ViewRow): JobView {
  return {
    id: row.id,
    kind: row.kind,
    model: row.model ?? '',
    gameId: row.game_id,
    assetName: row.asset_name,
    vramGbEstimate: row.vram_gb_estimate,
    status: row.status,
    attempts: row.attempts,
    createdAt: row.created_at,
    ...(row.worker_id !== null && { workerId: row.worker_id }),
    ...(row.offered_at !== null && { offeredAt: row.offered_at }),
    ...(row.accepted_at !== null && { acceptedAt: row.accepted_at }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
    ...(row.error_message !== null && {
      error: { ...(row.error_code !== null && { code: row.error_code }), message: row.error_message },
    }),
    ...(row.output_ext !== null && {
      output: {
        ext: row.output_ext,
        bytes: row.output_bytes ?? 0,
        contentType: row.output_type ?? 'application/octet-stream',
      },
    }),
  };
}
