// What happens on this worker, as it happens: jobs, their progress, models, the log, the session. A client that comes back
// with `Last-Event-ID` gets what it has missed, as far as that is kept.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { sendEvents } from '../event-feed.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { badRequest } from '../problem.ts';

export function daemonEventRoutes(parts: ApiParts): ApiRoutes {
  const { events } = parts.activity;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));

  routes.get('/daemon/events', async (c) => {
    const { outgoing, closing } = c.env;
    const after = afterIn(c.req.header('last-event-id') ?? c.req.query('after'), events.newestId);
    const signal = AbortSignal.any([clientGone(outgoing), closing]);
    await sendEvents(outgoing, events.follow(after, signal), parts.streamTimes);
    return RESPONSE_ALREADY_SENT;
  });
  return routes;
}

/** Default: what comes from now on. */
function afterIn(text: string | undefined, newestId: number): number {
  if (text === undefined || text === '') return newestId;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw badRequest('after: must be the id of an event', 'after');
}
