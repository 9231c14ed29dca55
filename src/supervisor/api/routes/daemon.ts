// What a dashboard and the command line ask the worker as a whole: how it is, its log, and to pause, resume, stop or
// register again.
import { Hono } from 'hono';
import { editableConfig } from '../../daemon/editable-config.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError, badRequest } from '../problem.ts';

export function daemonRoutes(parts: ApiParts): ApiRoutes {
  const { daemon, config, logs } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));

  routes.get('/daemon/status', (c) => c.json({ ...daemon.status(), config: editableConfig(config.current) }));
  routes.get('/daemon/logs', (c) => c.json(daemon.logs(afterIn(c.req.query('after')))));
  routes.post('/daemon/pause', (c) => {
    daemon.pause();
    return c.json({ paused: daemon.status().paused });
  });
  routes.post('/daemon/resume', (c) => {
    daemon.resume();
    return c.json({ paused: daemon.status().paused });
  });
  routes.post('/daemon/registration/reset', async (c) => {
    if (await daemon.resetRegistration()) return c.json({ ok: true }, 202);
    const message = 'the studio has not rejected this worker, so there is nothing to ask again';
    throw new ApiError({ status: 409, code: 'not_rejected', message });
  });
  routes.post('/daemon/shutdown', (c) => {
    logs.info('daemon', 'asked to stop over the local API');
    // When the answer is out: the worker may be gone a moment later.
    c.env.outgoing.once('close', () => daemon.shutdown());
    return c.json({ ok: true }, 202);
  });
  return routes;
}

/** Default: all that is kept. */
function afterIn(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest('after: must be the number of a log entry', 'after');
}
