// What monitoring asks: whether the worker is ready for jobs of its studio, and its metrics.
import { Hono } from 'hono';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError } from '../problem.ts';

export function probeRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));
  routes.get('/readyz', (c) => {
    const readiness = parts.daemon.readiness();
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  routes.get('/metrics', async (c) => {
    const { metrics } = parts;
    if (!metrics) throw new ApiError({ status: 503, code: 'no_metrics', message: 'this worker keeps no metrics' });
    return c.body(await metrics.text(), 200, { 'content-type': metrics.contentType });
  });
  return routes;
}
