// Text in, the model's tokens out: for the local API.
import type { LlamaModel } from 'node-llama-cpp';
import type { EngineResult, LlmRequest, TokenizeAnswer } from '../engine.ts';

/** A text that names special tokens (`<|im_end|>`) gets their numbers, as llama.cpp's own server does it. */
export function tokenize(
  model: LlamaModel,
  { text, addSpecial }: Extract<LlmRequest, { operation: 'tokenize' }>,
): EngineResult {
  const tokens: number[] = model.tokenize(text, true);
  if (addSpecial) {
    const { bos, eos, shouldPrependBosToken, shouldAppendEosToken } = model.tokens;
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
    if (shouldAppendEosToken && eos !== null && tokens.at(-1) !== eos) tokens.push(eos);
  }
  const value: TokenizeAnswer = { tokens };
  return { kind: 'json', value };
}
