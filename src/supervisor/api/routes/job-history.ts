// What jobs this machine has run: the list of its own ones, and the log and thumbnail of any.
import { Hono } from 'hono';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError } from '../problem.ts';
import { idIn } from '../raw-path.ts';

export function jobHistoryRoutes(parts: ApiParts): ApiRoutes {
  const { activity } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));

  routes.get('/jobs', (c) =>
    c.json(
      activity
        .recent('local')
        .filter(({ status }) => status !== 'running')
        .map(({ jobId, kind, model, prompt, status, reason = null, startedAt, finishedAt }) => {
          return { jobId, kind, model, prompt, status, reason, startedAt, finishedAt };
        }),
    ),
  );
  routes.get('/jobs/:id/log', (c) => {
    const jobId = idIn(c);
    const log = activity.logOf(jobId);
    if (!log) throw new ApiError({ status: 404, code: 'unknown_job', message: `nothing is known of a job ${jobId}` });
    return c.json(log);
  });
  routes.get('/jobs/:id/thumbnail', (c) => {
    const jobId = idIn(c);
    const png = activity.thumbnailOf(jobId);
    if (!png) throw new ApiError({ status: 404, code: 'no_thumbnail', message: `job ${jobId} has no thumbnail` });
    return c.body(png as Uint8Array<ArrayBuffer>, 200, { 'content-type': 'image/png' });
  });
  return routes;
}
