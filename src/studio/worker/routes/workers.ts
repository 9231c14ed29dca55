// Workers, for the operator: who is let in and who is here, their logs, and how to remove one.
import { Hono } from 'hono';
import { WorkerCapabilities } from '../../../protocol/index.ts';
import { LogQuery, type WorkerView } from '../api/worker.ts';
import type { Presence } from '../connections/worker-connections.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem, unwrap } from '../problem.ts';
import { check } from '../read-body.ts';
import { loadLogs } from '../store/logs.ts';
import { type WorkerRow, workerStatements } from '../store/workers.ts';

export const workerRoutes = new Hono<{ Bindings: Env }>();

workerRoutes.get('/workers', async (c) => {
  const [rows, presences] = await Promise.all([
    workerStatements(c.env.DB).list().all<WorkerRow>(),
    connectionsOf(c.env).presence(),
  ]);
  const present = new Map(presences.map((presence) => [presence.workerId, presence]));
  return c.json({ workers: rows.results.map((row) => toView(row, present.get(row.id))) });
});

workerRoutes.delete('/workers/:id', async (c) => {
  return c.json(unwrap(await connectionsOf(c.env).deleteWorker(c.req.param('id'))));
});

workerRoutes.get('/workers/:id/logs', async (c) => {
  const id = c.req.param('id');
  const query = check(LogQuery, c.req.query());
  const row = await workerStatements(c.env.DB).load(id).first<WorkerRow>();
  if (row === null) throw new Problem('not_found', 'there is no such worker');
  return c.json({ logs: await loadLogs(c.env.DB, id, query) });
});

function toView(row: WorkerRow, presence: Presence | undefined): WorkerView {
  const connectedAt = presence?.connectedAt ?? row.connected_at;
  const lastSeenAt = presence?.lastSeenAt ?? row.last_seen_at;
  return {
    id: row.id,
    installId: row.install_id,
    ...(row.label !== null && { label: row.label }),
    online: presence !== undefined,
    features: presence?.features ?? [],
    jobIds: presence?.jobIds ?? [],
    capabilities: WorkerCapabilities.parse(JSON.parse(row.capabilities)),
    createdAt: row.created_at,
    ...(connectedAt !== null && { connectedAt }),
    ...(lastSeenAt !== null && { lastSeenAt }),
  };
}
