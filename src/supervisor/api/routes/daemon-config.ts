// The settings that a dashboard may read and change. They end up in config.toml, whose comments and order stay.
import { Hono } from 'hono';
import { editableConfig, editOf } from '../../daemon/editable-config.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { failsAs } from '../fail.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError, badRequest } from '../problem.ts';
import { JSON_BYTES_MAX, parsed, readBody } from '../request-body.ts';

export function daemonConfigRoutes(parts: ApiParts): ApiRoutes {
  const { config, logs } = parts;
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));

  routes.get('/daemon/config', (c) => c.json(editableConfig(config.current)));
  routes.put('/daemon/config', async (c) => {
    const wanted = parsed(await readBody(c.env, JSON_BYTES_MAX));
    if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
      throw badRequest('bad json: expected an object of settings');
    }
    const edit = editOf(wanted as Record<string, unknown>, config.current);
    if (edit.kind === 'invalid') {
      throw new ApiError({ status: 400, code: 'invalid_config', message: edit.problem, param: edit.field });
    }
    try {
      await config.patch(edit.changes);
    } catch (cause) {
      logs.error('config', 'settings that were asked for over the local API could not be saved', { err: cause });
      const message = `the settings could not be saved: ${(cause as Error).message}`;
      throw new ApiError({ status: 500, code: 'config_not_saved', message }, { cause });
    }
    return c.json(editableConfig(config.current));
  });
  return routes;
}
