// The `jobs` table: statements that move a job from one status to the next. Every one names the status it expects, so a
// change that comes too late changes nothing (`meta.changes` is 0) instead of overwriting a newer one.
import type { TaskKind } from '../../../protocol/index.ts';

export type NewJobRow = {
  seq: number;
  id: string;
  kind: TaskKind;
  model: string;
  modelSource: string;
  task: string | null;
  taskKey: string | null;
  vramGbEstimate: number;
  gameId: string;
  assetName: string;
  createdAt: number;
};

/** What a claim gives back: everything that an offer carries. Columns may be NULL in rows that others wrote. */
export type ClaimedRow = {
  id: string;
  model: string | null;
  model_source: string | null;
  task: string | null;
  task_key: string | null;
  vram_gb_estimate: number;
  game_id: string;
  asset_name: string;
};

/** What the Durable Object needs of an unfinished job after it was evicted. */
export type UnfinishedRow = {
  seq: number;
  id: string;
  kind: TaskKind;
  model: string | null;
  vram_gb_estimate: number;
  status: 'queued' | 'claimed' | 'cancelling';
  attempts: number;
  worker_id: string | null;
  offered_at: number | null;
  accepted_at: number | null;
  cancel_at: number | null;
};

export type Output = { key: string; ext: string; bytes: number; contentType: string };

export function jobStatements(db: D1Database) {
  return {
    insert: (row: NewJobRow) =>
      db
        .prepare(
          `INSERT INTO jobs (seq, id, kind, model, model_source, task, task_key, vram_gb_estimate, game_id, asset_name,
             status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)`,
        )
        .bind(
          row.seq,
          row.id,
          row.kind,
          row.model,
          row.modelSource,
          row.task,
          row.taskKey,
          row.vramGbEstimate,
          row.gameId,
          row.assetName,
          row.createdAt,
        ),

    /** The compare-and-swap that makes a job one worker's: of two that try, one gets the row. */
    claim: (id: string, workerId: string, now: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'claimed', worker_id = ?, offered_at = ?, accepted_at = NULL
             WHERE id = ? AND status = 'queued'
             RETURNING id, model, model_source, task, task_key, vram_gb_estimate, game_id, asset_name`,
        )
        .bind(workerId, now, id),

    accept: (id: string, workerId: string, now: number) =>
      db
        .prepare(`UPDATE jobs SET accepted_at = ? WHERE id = ? AND status = 'claimed' AND worker_id = ?`)
        .bind(now, id, workerId),

    requeue: (id: string, workerId: string, attempts: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'queued', worker_id = NULL, offered_at = NULL, accepted_at = NULL, attempts = ?
             WHERE id = ? AND status = 'claimed' AND worker_id = ?`,
        )
        .bind(attempts, id, workerId),

    fail: (id: string, attempts: number, error: { code?: string | undefined; message: string }, now: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'failed', attempts = ?, error_code = ?, error_message = ?, finished_at = ?
             WHERE id = ? AND status IN ('queued', 'claimed')`,
        )
        .bind(attempts, error.code ?? null, error.message, now, id),

    finishJson: (
      id: string,
      workerId: string,
      answer: { result: string | null; resultKey: string | null; prompt: string | null },
      now: number,
    ) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'done', result = ?, result_key = ?, prompt = ?, finished_at = ?
             WHERE id = ? AND status = 'claimed' AND worker_id = ?`,
        )
        .bind(answer.result, answer.resultKey, answer.prompt, now, id, workerId),

    finishOutput: (id: string, workerId: string, output: Output, prompt: string, now: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'done', output_key = ?, output_ext = ?, output_bytes = ?, output_type = ?, prompt = ?,
             finished_at = ? WHERE id = ? AND status = 'claimed' AND worker_id = ?`,
        )
        .bind(output.key, output.ext, output.bytes, output.contentType, prompt, now, id, workerId),

    cancel: (id: string, now: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'cancelled', finished_at = ?
             WHERE id = ? AND status IN ('queued', 'claimed', 'cancelling')`,
        )
        .bind(now, id),

    beginCancel: (id: string, workerId: string, now: number) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'cancelling', cancel_at = ? WHERE id = ? AND status = 'claimed' AND worker_id = ?`,
        )
        .bind(now, id, workerId),

    retry: (id: string) =>
      db
        .prepare(
          `UPDATE jobs SET status = 'queued', attempts = 0, worker_id = NULL, offered_at = NULL, accepted_at = NULL,
             cancel_at = NULL, finished_at = NULL, error_code = NULL, error_message = NULL, prompt = NULL
             WHERE id = ? AND status IN ('failed', 'cancelled')
             RETURNING seq, id, kind, model, vram_gb_estimate, status, attempts`,
        )
        .bind(id),

    unfinished: () =>
      db.prepare(
        `SELECT seq, id, kind, model, vram_gb_estimate, status, attempts, worker_id, offered_at, accepted_at, cancel_at
           FROM jobs WHERE status IN ('queued', 'claimed', 'cancelling') ORDER BY seq`,
      ),

    lastSeq: () => db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM jobs'),

    statusOf: (id: string) => db.prepare('SELECT status, worker_id FROM jobs WHERE id = ?').bind(id),
  };
}
export type JobStatements = ReturnType<typeof jobStatements>;
