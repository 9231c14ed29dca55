// `POST /tokenize`: the tokens of a text, as the model counts them.
import { Hono } from 'hono';
import { z } from 'zod';
import { absent, defaulted } from '../../../protocol/absent.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { failsAs } from '../fail.ts';
import { runLocal } from '../local-run.ts';
import type { ApiParts } from '../parts.ts';
import { ApiError, badRequest, problemOf } from '../problem.ts';
import { readJson } from '../request-body.ts';

const Body = z.object({
  content: z.string(),
  model: absent(z.string()),
  add_special: defaulted(z.boolean(), false),
});

const Tokens = z.object({ tokens: z.array(z.number()) });

export function tokenizeRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('json', parts));
  routes.post('/tokenize', async (c) => {
    const { content, model, add_special: addSpecial } = await readJson(c.env, Body);
    const known = model === undefined ? undefined : parts.models.get(model);
    if (known && known.kind !== 'llm')
      throw badRequest(`the model ${known.id} has no tokens: it is of kind ${known.kind}`);
    try {
      const { result, temperature } = await runLocal(parts, {
        kind: 'llm',
        model,
        task: () => ({ kind: 'llm', operation: 'tokenize', text: content, addSpecial }),
        signal: clientGone(c.env.outgoing),
      });
      const { tokens } = Tokens.parse(result.kind === 'json' ? result.value : undefined);
      return c.json({ tokens }, 200, { 'x-model-state': temperature });
    } catch (thrown) {
      const problem = problemOf(thrown);
      if (problem?.status !== 500) throw thrown;
      throw new ApiError({ ...problem, code: 'tokenize_failed' }, { cause: thrown });
    }
  });
  return routes;
}
