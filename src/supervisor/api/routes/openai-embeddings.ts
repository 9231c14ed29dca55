// `POST /v1/embeddings`: texts in, vectors out, from any text model.
import { Hono } from 'hono';
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { failsAs } from '../fail.ts';
import { runLocal } from '../local-run.ts';
import { keepAliveMs, SAMPLING } from '../openai/sampling.ts';
import type { ApiParts } from '../parts.ts';
import { badRequest } from '../problem.ts';
import { readJson } from '../request-body.ts';

/** OpenAI's. */
const TEXTS_MAX = 2048;

const Body = z.object({
  model: absent(z.string()),
  input: z.union(
    [z.string().min(1), z.array(z.string().min(1)).min(1).max(TEXTS_MAX)],
    `expected a text or a list of 1 to ${TEXTS_MAX} texts, none of them empty; lists of tokens are not taken`,
  ),
  encoding_format: absent(z.enum(['float', 'base64'])),
  dimensions: absent(z.number()),
  keep_alive: SAMPLING.keep_alive,
});

const Embedded = z.object({ vectors: z.array(z.array(z.number())), tokens: z.number() });

export function openAiEmbeddingRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.post('/v1/embeddings', async (c) => {
    const body = await readJson(c.env, Body);
    if (body.dimensions !== undefined) {
      throw badRequest("vectors have the model's own number of dimensions", 'dimensions');
    }
    const texts = typeof body.input === 'string' ? [body.input] : body.input;
    const { result, jobId, temperature, entry } = await runLocal(parts, {
      kind: 'llm',
      model: body.model,
      task: () => ({ kind: 'llm', operation: 'embed', texts }),
      keepAliveMs: keepAliveMs(body.keep_alive),
      signal: clientGone(c.env.outgoing),
    });
    const { vectors, tokens } = Embedded.parse(result.kind === 'json' ? result.value : undefined);
    const format = body.encoding_format === 'base64' ? base64Of : (vector: number[]) => vector;
    return c.json(
      {
        object: 'list',
        data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: format(vector) })),
        model: entry.id,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      },
      200,
      { 'x-job-id': jobId, 'x-model-state': temperature },
    );
  });
  return routes;
}

/** 32-bit floats, the lowest byte first. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes.toString('base64');
}
