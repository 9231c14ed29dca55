// A chat completion as OpenAI's clients ask for it, and the task that it is here. What would change the answer and cannot
// be done is refused; fields that nobody knows are passed over. Pure.
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';
import { type ChatMessage, LlmTask } from '../../../protocol/index.ts';
import { badRequest } from '../problem.ts';
import { refuseSeveral, SAMPLING, seedOf, stopsOf } from './sampling.ts';

const MAX_TOKENS = 512;
const TEMPERATURE = 0.7;
/** Any object: what `json_object` promises. */
const ANY_OBJECT = { type: 'object', additionalProperties: true };

const Part = z.looseObject({ type: z.string(), text: absent(z.string()) });
const Message = z.object({
  role: z.string(),
  content: absent(z.union([z.string(), z.array(Part)], 'expected a text or a list of parts')),
  tool_calls: absent(z.array(z.unknown())),
});

const ResponseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), json_schema: z.object({ schema: absent(z.json()) }) }),
]);

export const ChatBody = z.object({
  ...SAMPLING,
  messages: z.array(Message).min(1, 'expected at least one message'),
  max_completion_tokens: SAMPLING.max_tokens,
  response_format: absent(ResponseFormat),
  reasoning_effort: absent(z.string()),
  chat_template_kwargs: LlmTask.shape.chatTemplateKwargs,
  tools: absent(z.array(z.unknown())),
  functions: absent(z.array(z.unknown())),
  logprobs: absent(z.boolean()),
  modalities: absent(z.array(z.string())),
});
export type ChatBody = z.output<typeof ChatBody>;

export function chatTask(body: ChatBody): LlmTask {
  refuseWhatCannotBe(body);
  const { temperature = TEMPERATURE, top_p: topP, chat_template_kwargs: chatTemplateKwargs } = body;
  const stop = stopsOf(body.stop);
  const seed = seedOf(body.seed);
  const jsonSchema = schemaOf(body.response_format);
  return {
    kind: 'llm',
    messages: body.messages.map(messageOf),
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? MAX_TOKENS,
    temperature,
    ...(topP !== undefined && { topP }),
    ...(stop && { stop }),
    ...(seed !== undefined && { seed }),
    ...(jsonSchema !== undefined && { jsonSchema }),
    ...(body.reasoning_effort !== undefined && { reasoning: body.reasoning_effort }),
    ...(chatTemplateKwargs && { chatTemplateKwargs }),
  };
}

function refuseWhatCannotBe({ n, tools, functions, logprobs, modalities }: ChatBody): void {
  refuseSeveral(n);
  if (tools?.length) throw badRequest('tools are not supported: this worker answers with text', 'tools');
  if (functions?.length) throw badRequest('functions are not supported: this worker answers with text', 'functions');
  if (logprobs) throw badRequest('logprobs are not supported', 'logprobs');
  if (modalities?.some((each) => each !== 'text')) throw badRequest('the only modality is text', 'modalities');
}

function messageOf({ role, content, tool_calls: calls }: ChatBody['messages'][number], index: number): ChatMessage {
  const at = `messages.${index}`;
  if (calls?.length) throw badRequest('tool calls are not supported', `${at}.tool_calls`);
  // OpenAI's newer name for the same; chat templates know the older one.
  const known = role === 'developer' ? 'system' : role;
  if (typeof content === 'string') return { role: known, content };
  if (content === undefined) throw badRequest('a message needs a content', `${at}.content`);
  const texts = content.map(({ type, text }, part) => {
    if (type === 'text' && text !== undefined) return text;
    throw badRequest(`a part of type ${type} cannot be read: send text`, `${at}.content.${part}`);
  });
  return { role: known, content: texts.join('') };
}

function schemaOf(format: ChatBody['response_format']): LlmTask['jsonSchema'] {
  if (format === undefined || format.type === 'text') return undefined;
  return format.type === 'json_object' ? ANY_OBJECT : (format.json_schema.schema ?? ANY_OBJECT);
}
