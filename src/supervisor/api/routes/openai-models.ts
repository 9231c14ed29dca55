// `GET /v1/models`: the catalogue as OpenAI's clients read it.
import { Hono } from 'hono';
import { ModelError, type ModelView } from '../../models/types.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';

const PREFIX = '/v1/models/';

export function openAiModelRoutes(parts: ApiParts): ApiRoutes {
  const { models } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.get('/v1/models', (c) => {
    const data = models.list().filter(({ enabled }) => enabled);
    return c.json({ object: 'list', data: data.map(modelObject) });
  });
  routes.get('/v1/models/*', (c) => {
    const id = decoded(c.req.path.slice(PREFIX.length));
    const model = models.get(id);
    if (!model?.enabled) throw new ModelError('unknown_model', 404, `there is no model ${id}`);
    return c.json(modelObject(model));
  });
  return routes;
}

/** OpenAI's clients encode the id, and it is looked up in a list and nowhere else. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** `kind` and `state` are ours. */
function modelObject({ id, origin, kind, state, since }: ModelView): object {
  const created = Math.floor(Date.parse(since) / 1000) || 0;
  return { id, object: 'model', created, owned_by: origin, kind, state };
}
