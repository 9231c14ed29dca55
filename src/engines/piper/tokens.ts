// Checks a voice's tokens.txt as the library does, except that the library ends the process over it.
import { readFile } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';

/** Skipped by the library, though they are longer than a character. */
const SPECIAL = /^<\w+>$/;

/** `characters`: each token must be a single character, as espeak-ng's phonemes and plain letters are. */
export async function checkTokens(path: string, { characters }: { characters: boolean }): Promise<void> {
  const seen = new Set<string>();
  const text = await readFile(path, 'utf8');
  for (const [i, line] of text.split('\n').entries()) {
    // Only what the library takes for a blank: a wide space is a token like any other.
    const parts = line.split(/[ \t\v\f\r]+/).filter((part) => part !== '');
    if (parts.length === 0) continue;
    const wrong = (why: string) =>
      new Failure('MODEL_INVALID', `the voice cannot be used: line ${i + 1} of its tokens file ${why}`);
    // A lone number is the id of the space itself.
    const [symbol = '', id = ''] = parts.length === 1 ? [' ', parts[0]] : parts;
    if (parts.length > 2 || !/^\d+$/.test(id)) throw wrong('is not a token and its number');
    if (SPECIAL.test(symbol)) continue;
    if (seen.has(symbol)) throw wrong('repeats a token');
    if (characters && [...symbol].length > 1) throw wrong('has more than one character');
    seen.add(symbol);
  }
  if (seen.size === 0) throw new Failure('MODEL_INVALID', 'the voice cannot be used: its tokens file is empty');
}
