// `POST /v1/completions`: goes on with a text, without a chat template, whole or as a stream of events.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { failsAs } from '../fail.ts';
import { type Ran, runLocal, type Wanted } from '../local-run.ts';
import { keepAliveMs, refuseSeveral, SAMPLING, seedOf, stopsOf } from '../openai/sampling.ts';
import { openTextStream } from '../openai/text-stream.ts';
import type { ApiParts } from '../parts.ts';
import { badRequest } from '../problem.ts';
import { readJson } from '../request-body.ts';

/** OpenAI's defaults of this route. */
const MAX_TOKENS = 16;
const TEMPERATURE = 1;

const Body = z.object({
  ...SAMPLING,
  prompt: z.union([z.string(), z.array(z.string()).length(1)], 'expected a text; lists of tokens are not taken'),
  echo: absent(z.boolean()),
  suffix: absent(z.string()),
  best_of: absent(z.number()),
  logprobs: absent(z.number()),
});
type Body = z.output<typeof Body>;

const Usage = z.object({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() });
const Completed = z.object({ text: z.string(), finish_reason: z.string(), usage: Usage });
type Completed = z.infer<typeof Completed>;

export function openAiCompletionRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.post('/v1/completions', async (c) => {
    const body = await readJson(c.env, Body);
    refuseWhatCannotBe(body);
    const wanted = wantedOf(body, clientGone(c.env.outgoing));
    return body.stream ? stream(c, parts, wanted, body) : whole(c, parts, wanted, body);
  });
  return routes;
}

function refuseWhatCannotBe({ n, suffix, best_of: bestOf, logprobs }: Body): void {
  refuseSeveral(n);
  if (suffix) throw badRequest('suffix is not supported', 'suffix');
  if (bestOf !== undefined && bestOf !== 1) throw badRequest('best_of must be 1', 'best_of');
  if (logprobs) throw badRequest('logprobs are not supported', 'logprobs');
}

function wantedOf(body: Body, signal: AbortSignal): Wanted {
  const { max_tokens: maxTokens = MAX_TOKENS, temperature = TEMPERATURE, top_p: topP } = body;
  const stop = stopsOf(body.stop);
  const seed = seedOf(body.seed);
  return {
    kind: 'llm',
    model: body.model,
    task: () => ({
      kind: 'llm',
      operation: 'complete',
      ...{ prompt: promptOf(body), maxTokens, temperature },
      ...(topP !== undefined && { topP }),
      ...(stop && { stop }),
      ...(seed !== undefined && { seed }),
    }),
    deadlineMs: body.deadline_ms,
    keepAliveMs: keepAliveMs(body.keep_alive),
    signal,
  };
}

function promptOf({ prompt }: Body): string {
  return typeof prompt === 'string' ? prompt : (prompt[0] ?? '');
}

async function whole(c: Context<ApiEnv>, parts: ApiParts, wanted: Wanted, body: Body): Promise<Response> {
  const ran = await runLocal(parts, wanted);
  const { text, finish_reason: finish, usage } = completed(ran);
  const choice = { index: 0, text: `${body.echo ? promptOf(body) : ''}${text}`, logprobs: null, finish_reason: finish };
  return c.json({ ...headOf(ran.jobId, ran.entry.id), choices: [choice], usage }, 200, {
    'x-job-id': ran.jobId,
    'x-model-state': ran.temperature,
  });
}

async function stream(c: Context<ApiEnv>, parts: ApiParts, wanted: Wanted, body: Body): Promise<Response> {
  const head = headOf(crypto.randomUUID(), parts.models.pick('llm', body.model).id);
  const chunk = (text: string, finish: string | null, more: object = {}): string =>
    JSON.stringify({ ...head, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }], ...more });
  using events = openTextStream(c.env.outgoing, (text) => chunk(text, null));
  let said = false;
  const say = (text: string): void => {
    if (!said && body.echo) events.text(promptOf(body));
    said = true;
    if (text !== '') events.text(text);
  };
  await events.run(parts, {
    ...wanted,
    observer: { token: say },
    finished(ran) {
      const { text, finish_reason: finish, usage } = completed(ran);
      if (!said) say(text);
      if (body.stream_options?.include_usage !== true) return events.event(chunk('', finish, { usage }));
      events.event(chunk('', finish, { usage: null }));
      events.event(JSON.stringify({ ...head, choices: [], usage }));
    },
  });
  return RESPONSE_ALREADY_SENT;
}

function headOf(id: string, model: string): object {
  return { id: `cmpl-${id}`, object: 'text_completion', created: Math.floor(Date.now() / 1000), model };
}

function completed({ result }: Ran): Completed {
  return Completed.parse(result.kind === 'json' ? result.value : undefined);
}
