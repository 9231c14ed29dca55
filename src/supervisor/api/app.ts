// The routes of the local API, behind its guards. Each group of routes is a file in routes/.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { ApiParts } from './parts.ts';

/** What a route finds in `c.env`. */
export type ApiEnv = { Bindings: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse } };

export type ApiRoutes = Hono<ApiEnv>;

export function openApp(parts: ApiParts): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const { logs } = parts;
  const app = new Hono<ApiEnv>({
    // As it was sent: ids in paths are never decoded.
    getPath: (_request, options) => rawPath(options?.env?.incoming.url),
  });
  app.notFound((c) =>
    c.req.path.startsWith('/daemon/') ? c.json({ error: 'not_found' }, 404) : c.text('not found', 404),
  );
  app.onError((err, c) => {
    logs.error('api', 'a request failed for a reason that nobody foresaw', { err, path: c.req.path });
    return c.text('internal error, see the log of the worker', 500);
  });
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    // For a request without a `Host`.
    hostname: '127.0.0.1',
  });
  return (incoming, outgoing) => void listener(incoming, outgoing);
}

function rawPath(url = '/'): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
