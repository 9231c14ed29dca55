// From what the library says of one utterance to timed pieces of text, whose texts together are the utterance's. Pure.
import type { Timed } from '../audio/transcript.ts';
import type { NativeResult } from './library.ts';

/** What models of the EOU family say when somebody has ended; it is not said by anybody. */
const MARKS = /<EO[UB]>/g;
/** A token's end is told by none of the models: at most the length of a slow syllable, and never after the next one. */
const TOKEN_SECONDS_MAX = 0.32;

/** `heardSeconds`: how much sound there was so far, so that nothing ends after it. */
export function piecesOf(result: NativeResult, heardSeconds: number): Timed[] {
  const text = result.text.replaceAll(MARKS, '').trim();
  if (text === '') return [];
  const { start_time: from, timestamps } = result;
  const tokens = result.tokens.map((token, i) => ({ text: token.replaceAll(MARKS, ''), at: timestamps[i] }));
  const known = tokens.filter(
    (token): token is { text: string; at: number } => token.text !== '' && token.at !== undefined,
  );
  const first = known[0];
  // Some models' tokens are not what the text is made of, and some have no times: the utterance is one piece then.
  if (
    !first ||
    known
      .map((token) => token.text)
      .join('')
      .trim() !== text
  ) {
    return [{ text: spaced(text), start: Math.min(from, heardSeconds), end: heardSeconds }];
  }
  return known.map((token, i) => {
    const start = Math.min(from + token.at, heardSeconds);
    const next = known[i + 1];
    const end = Math.min(start + TOKEN_SECONDS_MAX, next ? from + next.at : heardSeconds, heardSeconds);
    return {
      text: i === 0 ? spaced(token.text.trimStart(), token.text) : token.text,
      start,
      end: Math.max(start, end),
    };
  });
}

/** Utterances of a language that is written with spaces are joined by one. */
function spaced(text: string, original = text): string {
  return /^\s/.test(original) || /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{N}]/u.test(text)
    ? ` ${text}`
    : text;
}
