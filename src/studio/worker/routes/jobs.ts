// Jobs, for the operator: create, list, show, cancel, retry, fetch what came out.
import { Hono } from 'hono';
import { isSafeId, Task } from '../../../protocol/index.ts';
import { JobQuery, type JobView, NewJob } from '../api/job.ts';
import { connectionsOf, type Env } from '../env.ts';
import { Problem, unwrap } from '../problem.ts';
import { bounded, check, JOB_BYTES_MAX, readBody } from '../read-body.ts';
import { INLINE_CHARS_MAX, readText, taskKey } from '../store/blobs.ts';
import { type FullRow, loadJob, loadJobs, toView } from '../store/job-views.ts';

export const jobRoutes = new Hono<{ Bindings: Env }>();

jobRoutes.post('/jobs', bounded(JOB_BYTES_MAX), async (c) => {
  const order = await readBody(c.req, NewJob);
  const task = JSON.stringify(check(Task, { ...order.params, kind: order.kind }));
  const id = `job-${crypto.randomUUID()}`;
  const large = task.length > INLINE_CHARS_MAX ? taskKey(id) : null;
  if (large !== null) await c.env.OUTPUTS.put(large, task);
  const outcome = await connectionsOf(c.env).createJob({
    id,
    kind: order.kind,
    model: order.model,
    ...(order.modelSource && { modelSource: JSON.stringify(order.modelSource) }),
    ...(order.vramGbEstimate !== undefined && { vramGbEstimate: order.vramGbEstimate }),
    task: large === null ? task : null,
    taskKey: large,
    gameId: order.gameId ?? 'studio',
    assetName: order.assetName ?? id,
  });
  if (!outcome.ok && large !== null) await c.env.OUTPUTS.delete(large);
  const created = unwrap(outcome);
  const view: JobView = {
    id,
    kind: order.kind,
    model: order.model,
    gameId: order.gameId ?? 'studio',
    assetName: order.assetName ?? id,
    vramGbEstimate: created.vramGbEstimate,
    status: 'queued',
    attempts: 0,
    createdAt: created.createdAt,
  };
  return c.json(view, 201);
});

jobRoutes.get('/jobs', async (c) => {
  const query = check(JobQuery, c.req.query());
  const found = await loadJobs(c.env.DB, query);
  const jobs = found.slice(0, query.limit);
  return c.json({ jobs, ...(found.length > query.limit && { nextBefore: jobs.at(-1)?.id }) });
});

jobRoutes.get('/jobs/:id', async (c) => {
  const row = await find(c.env, c.req.param('id'));
  const running = row.status === 'claimed' && row.accepted_at !== null;
  const [progress, result] = await Promise.all([
    running ? connectionsOf(c.env).progressOf(row.id) : undefined,
    resultOf(c.env, row),
  ]);
  return c.json({
    ...toView(row),
    ...(progress && { progress }),
    ...(row.prompt !== null && { prompt: row.prompt }),
    ...(result !== undefined && { result: JSON.parse(result) }),
  });
});

jobRoutes.get('/jobs/:id/output', async (c) => {
  const row = await find(c.env, c.req.param('id'));
  const result = await resultOf(c.env, row);
  // What a worker sent is data, never a page of this origin.
  const safe = { 'x-content-type-options': 'nosniff', 'content-security-policy': 'sandbox' };
  if (result !== undefined) return c.body(result, 200, { ...safe, 'content-type': 'application/json' });
  const object = row.output_key === null ? null : await c.env.OUTPUTS.get(row.output_key);
  if (object === null) throw new Problem('not_found', `the job is ${row.status} and has no output`);
  return c.body(object.body, 200, {
    ...safe,
    'content-type': row.output_type ?? 'application/octet-stream',
    'content-length': String(object.size),
    'content-disposition': `attachment; filename="${row.id}.${row.output_ext ?? 'bin'}"`,
  });
});

jobRoutes.post('/jobs/:id/cancel', async (c) => {
  return c.json(unwrap(await connectionsOf(c.env).cancelJob(c.req.param('id'))));
});

jobRoutes.post('/jobs/:id/retry', async (c) => {
  return c.json(unwrap(await connectionsOf(c.env).retryJob(c.req.param('id'))));
});

async function find(env: Env, id: string): Promise<FullRow> {
  const row = isSafeId(id) ? await loadJob(env.DB, id) : null;
  if (row === null) throw new Problem('not_found', 'there is no such job');
  return row;
}

async function resultOf(env: Env, row: FullRow): Promise<string | undefined> {
  if (row.result !== null) return row.result;
  return row.result_key === null ? undefined : readText(env.OUTPUTS, row.result_key);
}
