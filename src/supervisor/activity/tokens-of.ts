// How many tokens a finished text job took and made, as its result says. Results come from engines, which may be anybody's.

export type Tokens = { readonly prompt: number; readonly completion: number };

/** Of the `usage` of a chat completion; `undefined` when there is none, or it makes no sense. */
export function tokensOf(result: unknown): Tokens | undefined {
  const usage = field(result, 'usage');
  const [prompt, completion] = [field(usage, 'prompt_tokens'), field(usage, 'completion_tokens')];
  return isCount(prompt) && isCount(completion) ? { prompt, completion } : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
