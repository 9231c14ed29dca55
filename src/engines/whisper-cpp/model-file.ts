// Looks at a model file before native code does: what it is, and whether it is all there. The library refuses most broken
// files by itself, but some load and then never answer.
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';

export type SpeechModel =
  | { readonly kind: 'whisper'; readonly multilingual: boolean; readonly cantonese: boolean }
  /** `windowSeconds`: as much sound as the model hears at once. */
  | { readonly kind: 'parakeet'; readonly windowSeconds: number };

/** "ggml", little endian. */
const MAGIC = 0x67676d6c;
const GGUF = 'GGUF';
/** Ids of whisper's special tokens follow from the size of its vocabulary: English, multilingual, large-v3. */
const WHISPER_VOCABULARIES = [51_864, 51_865, 51_866];
const WHISPER_FFTS = 201;
/** Mel frames are 10 ms apart. */
const FRAMES_PER_SECOND = 100;
/** Nothing in a header comes near these; a broken one may say anything, and we would read as much. */
const BYTES_MAX = 64 * 1024 * 1024;
const TOKENS_MAX = 1_000_000;
const DIMS_MAX = 4;
/** Bytes a block and values a block, by ggml's numbers of types. */
const BLOCKS: Readonly<Record<number, readonly [bytes: number, values: number]>> = {
  ...{ 0: [4, 1], 1: [2, 1], 2: [18, 32], 3: [20, 32], 6: [22, 32], 7: [24, 32], 8: [34, 32] },
  ...{ 10: [84, 256], 11: [110, 256], 12: [144, 256], 13: [176, 256], 14: [210, 256] },
  ...{ 24: [1, 1], 25: [2, 1], 26: [4, 1], 27: [8, 1], 28: [8, 1], 30: [2, 1] },
};

export async function inspectModel(path: string): Promise<SpeechModel> {
  await using file = await open(path);
  const reader = new Reader(file, (await file.stat()).size);
  await checkMagic(reader);
  const numbers = await reader.ints(15);
  const [vocabulary = 0, second = 0] = numbers;
  if (WHISPER_VOCABULARIES.includes(vocabulary) && numbers[9] === numbers[11] && numbers[12] === WHISPER_FFTS) {
    await reader.skipTo(4 + 11 * 4);
    await checkWhisper(reader);
    return { kind: 'whisper', multilingual: vocabulary > 51_864, cantonese: vocabulary > 51_865 };
  }
  const [mels, ffts] = await reader.ints(2);
  if (mels === numbers[5] && ffts === Math.floor((numbers[7] ?? 0) / 2) + 1) {
    await reader.skipTo(4 + 15 * 4);
    await checkParakeet(reader, numbers[13] ?? 0);
    return { kind: 'parakeet', windowSeconds: second / FRAMES_PER_SECOND };
  }
  throw broken('it is a ggml file, but neither of whisper nor of parakeet');
}

/** Voice activity models say what they are in the header. */
export async function checkVadModel(path: string): Promise<void> {
  await using file = await open(path);
  const reader = new Reader(file, (await file.stat()).size);
  await checkMagic(reader);
  const [length = 0] = await reader.ints(1);
  const type = length > 0 && length < 64 ? (await reader.bytes(length)).toString('latin1') : '';
  if (!type.startsWith('silero')) throw broken('it is no voice activity model; take ggml-silero-v5.1.2.bin or later');
  // Version, window and context, then the sizes of each layer and of what follows them.
  const [, , , , , layers = 0] = await reader.ints(6);
  if (layers !== 4) throw broken(`a voice activity model has 4 layers, not ${layers}`);
  await reader.ints(3 * layers + 4);
  await checkTensors(reader);
}

async function checkMagic(reader: Reader): Promise<void> {
  const first = await reader.bytes(4);
  if (first.toString('latin1') === GGUF) {
    throw broken('it is a GGUF file, which whisper.cpp does not read; take the ggml .bin of the same model');
  }
  if (first.readUInt32LE() !== MAGIC) throw broken('it does not begin like a ggml file');
}

async function checkWhisper(reader: Reader): Promise<void> {
  await skipFilters(reader);
  let space = false;
  await eachWord(reader, (word) => {
    if (word.length === 1 && word[0] === 0x20) space = true;
  });
  // The library looks it up in every run, and when it is not there, no run ever answers.
  if (!space) throw broken('its vocabulary lacks the token for a space');
  await checkTensors(reader);
}

async function checkParakeet(reader: Reader, durations: number): Promise<void> {
  await skipFilters(reader);
  const [window = 0] = await reader.ints(1);
  await reader.skip(4 * window);
  await reader.skip(4 * durations);
  await eachWord(reader, () => {});
  await checkTensors(reader);
}

async function skipFilters(reader: Reader): Promise<void> {
  const [mels = 0, ffts = 0] = await reader.ints(2);
  if (mels < 1 || ffts < 1) throw broken('its filters have no size');
  await reader.skip(4 * mels * ffts);
}

async function eachWord(reader: Reader, look: (word: Buffer) => void): Promise<void> {
  const [count = 0] = await reader.ints(1);
  if (count < 0 || count > TOKENS_MAX) throw broken(`its vocabulary cannot have ${count} tokens`);
  for (let i = 0; i < count; i += 1) {
    const [length = 0] = await reader.ints(1);
    look(await reader.bytes(length));
  }
}

/** Every tensor must be there to its last byte, and the file must end with the last. */
async function checkTensors(reader: Reader): Promise<void> {
  let count = 0;
  for (; !reader.atEnd; count += 1) {
    const [dims = 0, nameLength = 0, type = 0] = await reader.ints(3);
    // A single number has no dimensions.
    if (dims < 0 || dims > DIMS_MAX || nameLength < 1 || nameLength > 256) throw broken('its tensors cannot be read');
    const values = (await reader.ints(dims)).reduce((product, size) => product * size, 1);
    const [bytes, perBlock] = BLOCKS[type] ?? [];
    if (bytes === undefined || perBlock === undefined)
      throw broken(`its tensors have a type ${type} that we do not know`);
    await reader.skip(nameLength + Math.ceil(values / perBlock) * bytes);
  }
  // The library takes such a file for a test and transcribes everything to nothing.
  if (count === 0) throw broken('it has no weights');
}

function broken(why: string): Failure {
  return new Failure('MODEL_INVALID', `the speech model cannot be used: ${why}`);
}

/** Reads forward through large pieces, since a vocabulary is 100 000 small reads. */
class Reader {
  readonly #file: FileHandle;
  readonly #size: number;
  #piece = Buffer.alloc(0);
  #pieceAt = 0;
  #at = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  get atEnd(): boolean {
    return this.#at === this.#size;
  }

  async ints(count: number): Promise<number[]> {
    const bytes = await this.bytes(4 * count);
    return Array.from({ length: count }, (_, i) => bytes.readInt32LE(4 * i));
  }

  async bytes(length: number): Promise<Buffer> {
    const from = this.#at;
    if (length > BYTES_MAX) throw broken('its header has an impossible length');
    await this.skip(length);
    if (from < this.#pieceAt || from + length > this.#pieceAt + this.#piece.length) {
      const piece = Buffer.alloc(Math.min(Math.max(length, 64 * 1024), this.#size - from));
      const { bytesRead } = await this.#file.read(piece, 0, piece.length, from);
      if (bytesRead < length) throw broken('it could not be read to its end');
      [this.#piece, this.#pieceAt] = [piece.subarray(0, bytesRead), from];
    }
    return this.#piece.subarray(from - this.#pieceAt, from - this.#pieceAt + length);
  }

  async skip(length: number): Promise<void> {
    if (length < 0) throw broken('its header has a negative length');
    await this.skipTo(this.#at + length);
  }

  async skipTo(position: number): Promise<void> {
    if (position > this.#size) throw broken(`it is cut short at ${this.#size} bytes`);
    this.#at = position;
  }
}
