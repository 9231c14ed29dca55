// `POST /v1/chat/completions`, whole or as a stream of events.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { ApiEnv, ApiRoutes } from '../app.ts';
import { clientGone } from '../client-gone.ts';
import { failsAs } from '../fail.ts';
import { runLocal, type Wanted } from '../local-run.ts';
import { Completion, chunksFor, type Identity, wholeAnswer } from '../openai/chat-answer.ts';
import { ChatBody, chatTask } from '../openai/chat-request.ts';
import { keepAliveMs } from '../openai/sampling.ts';
import { openTextStream } from '../openai/text-stream.ts';
import type { ApiParts } from '../parts.ts';
import { readJson } from '../request-body.ts';

export function openAiChatRoutes(parts: ApiParts): ApiRoutes {
  const routes = new Hono<ApiEnv>();
  routes.onError(failsAs('openai', parts));
  routes.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c.env, ChatBody);
    const task = chatTask(body);
    const wanted: Wanted = {
      kind: 'llm',
      model: body.model,
      task: () => task,
      deadlineMs: body.deadline_ms,
      keepAliveMs: keepAliveMs(body.keep_alive),
      signal: clientGone(c.env.outgoing),
    };
    return body.stream ? stream(c, parts, wanted, body) : whole(c, parts, wanted);
  });
  return routes;
}

async function whole(c: Context<ApiEnv>, parts: ApiParts, wanted: Wanted): Promise<Response> {
  const { result, jobId, temperature, entry } = await runLocal(parts, wanted);
  const completion = Completion.parse(result.kind === 'json' ? result.value : undefined);
  const headers = { 'x-job-id': jobId, 'x-model-state': temperature };
  return c.json(wholeAnswer(completion, identityOf(jobId, entry.id)), 200, headers);
}

async function stream(c: Context<ApiEnv>, parts: ApiParts, wanted: Wanted, body: ChatBody): Promise<Response> {
  const { outgoing } = c.env;
  const entry = parts.models.pick('llm', body.model);
  const chunks = chunksFor(identityOf(crypto.randomUUID(), entry.id));
  let thought = '';
  using events = openTextStream(outgoing, chunks.content);
  // Whole, once it has ended: so the contract has it.
  const tellThought = (): void => {
    const whole = thought.trim();
    thought = '';
    if (whole !== '') events.event(chunks.reasoning(whole));
  };
  let said = false;
  let thoughtTold = false;
  await events.run(parts, {
    ...wanted,
    observer: {
      reasoning(text) {
        thought += text;
        thoughtTold = true;
      },
      token(text) {
        tellThought();
        said = true;
        events.text(text);
      },
    },
    finished({ result }) {
      const completion = Completion.parse(result.kind === 'json' ? result.value : undefined);
      const { content, reasoning_content: reasoning = '' } = completion.choices[0]?.message ?? { content: '' };
      // An engine need not say its answer piece by piece.
      if (!thoughtTold) thought = reasoning;
      tellThought();
      if (!said && content !== '') events.text(content);
      for (const chunk of chunks.last(completion, body.stream_options?.include_usage === true)) events.event(chunk);
    },
  });
  return RESPONSE_ALREADY_SENT;
}

function identityOf(id: string, model: string): Identity {
  return { id: `chatcmpl-${id}`, model, createdSecs: Math.floor(Date.now() / 1000) };
}
