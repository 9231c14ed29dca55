// What a prompt may hold before it reaches the binary. Pure.
import { Failure } from '../../protocol/failure.ts';

/** Somewhere between 20 000 and 50 000 characters a CLIP text encoder ends the process with SIGSEGV. */
const PROMPT_CHARS_MAX = 20_000;

/**
 * A prompt that opens no file. sd-cli reads `<lora:NAME:WEIGHT>` as an order to load NAME, which may be an absolute path
 * on this machine; without its colon the tag is plain text. The only tags that are honoured are those that we append.
 */
export function safePrompt(text: string, what: string): string {
  if (text.length > PROMPT_CHARS_MAX) {
    throw new Failure(
      'INPUT_INVALID',
      `the ${what} has ${text.length} characters; sd-cpp takes at most ${PROMPT_CHARS_MAX}`,
    );
  }
  if (text.includes('\0')) throw new Failure('INPUT_INVALID', `the ${what} holds a NUL character`);
  return text.replace(/<(\s*)lora(\s*):/gi, '<$1lora$2 ');
}
