// Checks a recogniser's tokens.txt as the library does, except that the library ends the process over it.
import { readFile, stat } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';

/** The largest vocabulary in use has some 150 000 symbols, in two megabytes. */
const BYTES_MAX = 32 * 1024 * 1024;
const BLANKS = ['<blk>', '<eps>', '<blank>'];

export type TokensRule = {
  /** `last`: NeMo's models count the blank behind all other symbols. */
  readonly blank: 'anywhere' | 'last' | 'none';
  /** How many symbols there must be; absent: the model does not say. */
  readonly count?: number;
};

export async function checkTokens(path: string, { blank, count }: TokensRule): Promise<void> {
  const { size } = await stat(path);
  if (size > BYTES_MAX) throw broken(`its tokens file has ${size} bytes, which no vocabulary has`);
  const ids = new Map<string, number>();
  const taken = new Set<number>();
  const lines = (await readFile(path, 'utf8')).split('\n');
  for (const [i, line] of lines.entries()) {
    // Only what the library takes for a blank: a wide space is a token like any other.
    const parts = line.split(/[ \t\v\f\r]+/).filter((part) => part !== '');
    if (parts.length === 0) continue;
    // A lone number is the id of the space itself.
    const [symbol = '', text = ''] = parts.length === 1 ? [' ', parts[0]] : parts;
    const id = Number(text);
    if (parts.length > 2 || !/^\d{1,9}$/.test(text))
      throw broken(`line ${i + 1} of its tokens file is not a token and its number`);
    if (taken.has(id) || (symbol !== ' ' && ids.has(symbol)))
      throw broken(`line ${i + 1} of its tokens file repeats one`);
    ids.set(symbol, id);
    taken.add(id);
  }
  if (taken.size === 0) throw broken('its tokens file is empty');
  if (count !== undefined && taken.size !== count) {
    throw broken(`its tokens file has ${taken.size} tokens, and the model speaks of ${count}`);
  }
  if (blank === 'none') return;
  const found =
    blank === 'last' ? ids.get('<blk>') : BLANKS.map((each) => ids.get(each)).find((id) => id !== undefined);
  if (found === undefined) throw broken(`its tokens file lacks ${blank === 'last' ? '<blk>' : BLANKS.join(' or ')}`);
  if (blank === 'last' && found !== taken.size - 1) throw broken('<blk> is not the last of its tokens');
}

function broken(why: string): Failure {
  return new Failure('MODEL_INVALID', `the recogniser cannot be used: ${why}`);
}
