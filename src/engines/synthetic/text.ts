// The synthetic answers that are JSON: a chat completion in OpenAI's shape and a transcript in whisper's.
import { createHash } from 'node:crypto';
import type { LlmTask, SttTask } from '../../protocol/index.ts';
import type { EngineResult, RunContext } from '../engine.ts';

/** Upstream counts every answer as eight tokens, whatever it says. */
const COMPLETION_TOKENS = 8;

export function completion(task: LlmTask, context: RunContext): EngineResult {
  const system = task.system === undefined ? [] : [{ role: 'system', content: task.system }];
  const prompt = [...system, ...task.messages].map(({ role, content }) => `${role}: ${content}`).join('\n');
  const content = `[synthetic] reply to prompt #${fingerprint(prompt)}`;
  const pieces = content.match(/\s*\S+/g) ?? [];
  pieces.forEach((piece, index) => {
    context.token(piece);
    context.progress({ ratio: (index + 1) / pieces.length });
  });
  const promptTokens = prompt.split(/\s+/).filter(Boolean).length;
  return {
    kind: 'json',
    value: {
      object: 'chat.completion',
      // Always this name, also when the job asked for plain `synthetic`: the contract says so.
      model: 'synthetic-llm',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: COMPLETION_TOKENS,
        total_tokens: promptTokens + COMPLETION_TOKENS,
      },
    },
  };
}

/** The input is named, never fetched. */
export function transcript(task: SttTask, context: RunContext): EngineResult {
  const text = `[synthetic] transcript of ${fingerprint(task.inputUrl)}`;
  context.progress({ ratio: 1 });
  return { kind: 'json', value: { text, language: task.language ?? 'en', duration: 1.0 } };
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 16);
}
