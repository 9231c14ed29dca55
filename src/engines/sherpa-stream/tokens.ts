// Checks a recogniser's tokens.txt as the library does, except that the library ends the process over it.
import { readFile, stat } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';

/** The largest vocabulary in use has some 150 000 symbols, in two megabytes. */
const BYTES_MAX = 32 * 1024 * 1024;
const BLANKS = ['<blk>', '<eps>', '<blank>'];

export type TokensRule = {
  /** `last`: NeMo's transducers want `<blk>` behind all other symbols; `named`: CTC models want it under one of its names. */
  readonly blank: 'last' | 'named' | 'any';
  /** Numbers that the model may say, from 0 on; absent: it does not tell. */
  readonly numbers?: number;
  /** There must be no others. */
  readonly exactly?: true;
};

export async function checkTokens(path: string, { blank, numbers = 1, exactly }: TokensRule): Promise<void> {
  const { size } = await stat(path);
  if (size > BYTES_MAX) throw broken(`its tokens file has ${size} bytes, which no vocabulary has`);
  // Of the same number twice the library takes the first.
  const symbols = new Map<number, string>();
  for (const [i, line] of (await readFile(path, 'utf8')).split('\n').entries()) {
    // Only what the library takes for a blank: a wide space is a token like any other.
    const parts = line.split(/[ \t\v\f\r]+/).filter((part) => part !== '');
    if (parts.length === 0) continue;
    // A lone number is that of the space itself.
    const [symbol = '', number = ''] = parts.length === 1 ? [' ', parts[0]] : parts;
    if (parts.length > 2 || !/^\d{1,9}$/.test(number)) {
      throw broken(`line ${i + 1} of its tokens file is not a token and its number`);
    }
    if (!symbols.has(Number(number))) symbols.set(Number(number), symbol);
  }
  // A number without a symbol ends the process when it is said, which may be hours later.
  for (let number = 0; number < numbers; number += 1) {
    if (!symbols.has(number)) throw broken(`its tokens file lacks number ${number}, and the model may say ${numbers}`);
  }
  if (exactly && symbols.size !== numbers) {
    throw broken(`its tokens file has ${symbols.size} tokens, and the model may say ${numbers}`);
  }
  if (blank === 'last' && symbols.get(numbers - 1) !== '<blk>') throw broken('<blk> is not the last of its tokens');
  if (blank === 'named' && ![...symbols.values()].some((symbol) => BLANKS.includes(symbol))) {
    throw broken(`its tokens file lacks ${BLANKS.join(', ')}, one of which a CTC model needs`);
  }
}

function broken(why: string): Failure {
  return new Failure('MODEL_INVALID', `the recogniser cannot be used: ${why}`);
}
