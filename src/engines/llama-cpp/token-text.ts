// Turns tokens into text as they come. A character may be spread over several tokens, so its first bytes wait for the
// rest: nobody is ever given half a character.
import type { LlamaModel, Token } from 'node-llama-cpp';

/** The library writes it for bytes that are no character, or not yet. */
const UNFINISHED = '\uFFFD';
/** A character has at most four bytes; a longer run without one is noise and is passed on. */
const HELD_MAX = 32;
/** Whether a token begins with a space depends on the ones before it. Three are what the library itself looks at. */
const CONTEXT = 3;

export type TokenText = {
  push(token: Token): string;
  /** What is left; if the text ends within a character, with U+FFFD in its place. */
  end(): string;
};

export function openTokenText(model: LlamaModel, prompt: readonly Token[]): TokenText {
  let before = prompt.slice(-CONTEXT);
  let held: Token[] = [];

  function take(text: string): string {
    before = [...before, ...held].slice(-CONTEXT);
    held = [];
    return text;
  }
  return {
    push(token) {
      held.push(token);
      const text = model.detokenize(held, false, before);
      return text.endsWith(UNFINISHED) && held.length < HELD_MAX ? '' : take(text);
    },
    end: () => (held.length > 0 ? take(model.detokenize(held, false, before)) : ''),
  };
}
