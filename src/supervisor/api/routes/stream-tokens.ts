// `POST /stream-tokens`: a token with which somebody in the network may speak to one model for a while.
import { Hono } from 'hono';
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import { ModelError } from '../../models/types.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError } from '../problem.ts';
import { readJson } from '../request-body.ts';

const Body = z.object({ model: z.string(), ttlSecs: absent(z.number()) });

export function streamTokenRoutes(parts: ApiParts): ApiRoutes {
  const { models, host, streams } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));
  routes.post('/stream-tokens', async (c) => {
    const { model: id, ttlSecs } = await readJson(c.env, Body);
    const model = models.get(id);
    if (!model) throw new ModelError('unknown_model', 404, `there is no model ${id}`);
    const engine = host.engines.find((each) => each.id === model.source.engine);
    if (engine?.streams !== true) {
      const message = `the model ${id} cannot hear live speech: its engine is ${model.source.engine}`;
      throw new ApiError({ status: 400, code: 'not_a_stream_model', message });
    }
    const token = streams.mint(id, ttlSecs);
    if (token) return c.json(token);
    const message =
      'nobody listens for live speech: set stream_enabled = true, or see the log for why its port is not open';
    throw new ApiError({ status: 503, code: 'stream_listener_down', message });
  });
  return routes;
}
