// Register requests, for the operator: list, approve, reject.
import { Hono } from 'hono';
import { WorkerCapabilities } from '../../../protocol/index.ts';
import { RegistrationQuery, type RegistrationView, Rejection } from '../api/worker.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem } from '../problem.ts';
import { bounded, check, JSON_BYTES_MAX, readBody } from '../read-body.ts';
import { type RegistrationRow, registrationStatements } from '../store/registrations.ts';
import { workerStatements } from '../store/workers.ts';

export const registrationRoutes = new Hono<{ Bindings: Env }>();

registrationRoutes.get('/workers/register-requests', async (c) => {
  const { status } = check(RegistrationQuery, c.req.query());
  const { results } = await registrationStatements(c.env.DB).list(status).all<RegistrationRow>();
  return c.json({ requests: results.map(toView) });
});

registrationRoutes.post('/workers/register-requests/:id/approve', async (c) => {
  const row = await find(c.env, c.req.param('id'));
  const workerId = `w-${crypto.randomUUID()}`;
  const now = Date.now();
  const [approved] = await c.env.DB.batch([
    registrationStatements(c.env.DB).approve(row.id, workerId, now),
    workerStatements(c.env.DB).insertApproved(row.id, workerId, now),
  ]);
  if (approved?.meta.changes !== 1) throw new Problem('conflict', 'the request was decided already');
  await tell(c.env, row, { status: 'approved', workerId, at: now });
  return c.json({ requestId: row.id, workerId });
});

registrationRoutes.post('/workers/register-requests/:id/reject', bounded(JSON_BYTES_MAX), async (c) => {
  const hasBody = c.req.header('content-length') !== '0' && c.req.raw.body !== null;
  const { reason = '' } = hasBody ? await readBody(c.req, Rejection) : {};
  const row = await find(c.env, c.req.param('id'));
  const now = Date.now();
  const { meta } = await registrationStatements(c.env.DB).reject(row.id, reason, now).run();
  if (meta.changes !== 1) throw new Problem('conflict', 'the request was decided already');
  await tell(c.env, row, { status: 'rejected', at: now });
  return c.json({ requestId: row.id });
});

async function find(env: Env, id: string): Promise<RegistrationRow> {
  const row = await registrationStatements(env.DB).load(id).first<RegistrationRow>();
  if (row === null) throw new Problem('not_found', 'there is no such register request');
  return row;
}

type Decision = { status: 'approved' | 'rejected'; workerId?: string; at: number };

async function tell(env: Env, row: RegistrationRow, decision: Decision): Promise<void> {
  const { machineName } = WorkerCapabilities.parse(JSON.parse(row.capabilities));
  const data = { requestId: row.id, machineName, ...(row.label !== null && { label: row.label }), ...decision };
  await connectionsOf(env).publish({ type: 'registration', data });
}

function toView(row: RegistrationRow): RegistrationView {
  return {
    id: row.id,
    installId: row.install_id,
    status: row.status,
    ...(row.label !== null && { label: row.label }),
    userAgent: row.user_agent,
    ip: row.ip,
    capabilities: WorkerCapabilities.parse(JSON.parse(row.capabilities)),
    ...(row.reason !== null && { reason: row.reason }),
    ...(row.worker_id !== null && { workerId: row.worker_id }),
    createdAt: row.created_at,
    ...(row.decided_at !== null && { decidedAt: row.decided_at }),
  };
}
