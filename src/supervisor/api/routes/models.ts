// The catalogue of models and what state each is in: list, add, remove, load, unload.
import { Hono } from 'hono';
import { ModelError, type ModelView } from '../../models/types.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError } from '../problem.ts';
import { idIn } from '../raw-path.ts';
import { JSON_BYTES_MAX, parsed, readBody } from '../request-body.ts';

export function modelRoutes(parts: ApiParts): ApiRoutes {
  const { models } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));

  routes.get('/models', (c) => c.json(models.list()));
  routes.get('/models/:id/state', (c) => c.json(stateOf(known(idIn(c)))));
  routes.post('/models/:id/load', async (c) => {
    const { model } = await models.load(known(idIn(c)).id);
    return c.json(stateOf(model), model.state === 'loaded' ? 200 : 202);
  });
  routes.post('/models/:id/unload', async (c) => {
    const { model } = await models.unload(known(idIn(c)).id);
    return c.json(stateOf(model), model.state === 'unloaded' ? 200 : 202);
  });
  routes.delete('/models/:id', async (c) => {
    if (await models.remove(idIn(c))) return c.json({ ok: true });
    return c.text('no such model', 404);
  });
  routes.route('/', addRoute(parts));
  return routes;

  function known(id: string): ModelView {
    const view = models.get(id);
    if (view) return view;
    throw new ModelError('unknown_model', 404, `there is no model ${id}`);
  }
}

/** The one of them whose errors are plain text. */
function addRoute(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('text', parts));
  routes.post('/models', async (c) => {
    const entry = parsed(await readBody(c.env, JSON_BYTES_MAX));
    try {
      await parts.models.put(entry);
    } catch (thrown) {
      if (!(thrown instanceof ModelError) || thrown.code !== 'bad_model') throw thrown;
      const message = thrown.message.startsWith('bad model') ? thrown.message : `bad model: ${thrown.message}`;
      throw new ApiError({ status: 400, code: thrown.code, message }, { cause: thrown });
    }
    return c.json({ ok: true });
  });
  return routes;
}

function stateOf({ id, state, resident, since, error, phase, progress, etaSeconds }: ModelView): object {
  return { id, state, resident, since, error, phase, progress, etaSeconds };
}
