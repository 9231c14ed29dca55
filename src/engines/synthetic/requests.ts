// The synthetic answers to what programs on this machine ask of a language model beyond a chat: right in shape, the same
// for the same text, and without meaning.
import { createHash } from 'node:crypto';
import type { CompleteAnswer, EmbedAnswer, EngineResult, LlmRequest, RunContext, TokenizeAnswer } from '../engine.ts';

/** Numbers in a vector. */
const DIMENSIONS = 32;

export function answer(request: LlmRequest, context: RunContext): EngineResult {
  switch (request.operation) {
    case 'embed':
      return json<EmbedAnswer>({
        vectors: request.texts.map(vectorOf),
        tokens: request.texts.reduce((sum, text) => sum + words(text).length, 0),
      });
    case 'tokenize':
      return json<TokenizeAnswer>({ tokens: words(request.text).map((word) => digest(word).readUInt16BE()) });
    case 'complete':
      return complete(request, context);
    default:
      return request satisfies never;
  }
}

type Complete = Extract<LlmRequest, { operation: 'complete' }>;

function complete({ prompt, maxTokens }: Complete, context: RunContext): EngineResult {
  const whole = words(`[synthetic] continuation of #${digest(prompt).toString('hex').slice(0, 16)}`);
  const pieces = whole.slice(0, Math.max(1, maxTokens));
  const text = pieces.join('');
  for (const piece of pieces) context.token(piece);
  context.progress({ ratio: 1 });
  const [prompt_tokens, completion_tokens] = [words(prompt).length, pieces.length];
  return json<CompleteAnswer>({
    text,
    finish_reason: pieces.length < whole.length ? 'length' : 'stop',
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  });
}

/** Of length 1, as every engine's. */
function vectorOf(text: string): number[] {
  const numbers = [...digest(text)].slice(0, DIMENSIONS).map((byte) => byte - 127.5);
  const length = Math.hypot(...numbers);
  return numbers.map((number) => number / length);
}

function words(text: string): string[] {
  return text.match(/\s*\S+/g) ?? [];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

function json<T>(value: T): EngineResult {
  return { kind: 'json', value };
}
