// Reads the header of a GGUF file: its keys and where its tensors lie. Synchronous, since a header is read once a load,
// in a process of its own, and has a million values that would each cost an await.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export type GgufTensorInfo = { readonly name: string; readonly bytes: number | undefined; readonly offset: number };

export type GgufHeader = {
  /** Plain values; of an array, which is skipped, only its presence. */
  readonly keys: ReadonlyMap<string, string | number | boolean | undefined>;
  /** The raw bytes of each token, as latin1 so that equal strings mean equal bytes. */
  readonly tokens: readonly string[];
  readonly tensors: readonly GgufTensorInfo[];
  readonly dataStart: number;
  readonly fileBytes: number;
};

/** The file is not what it says. The message ends a sentence that begins with the file's name. */
export class GgufError extends Error {
  static {
    GgufError.prototype.name = 'GgufError';
  }
}

/** Large enough that a header of some megabytes is a few reads. */
const WINDOW_BYTES = 1024 * 1024;
/** Limits that no real header comes near: a damaged length would make us allocate without end. */
const NAME_BYTES_MAX = 65_535;
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
/** llama.cpp's own limit. */
const DIMS_MAX = 4;

/** Bytes of the scalar types 0 to 12 of the format: u8 i8 u16 i16 u32 i32 f32 bool string array u64 i64 f64. */
const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const [F32, BOOL, STRING, ARRAY, F64] = [6, 7, 8, 9, 12];

/** `[values a block, bytes a block]` of ggml's tensor types. A type that came later is not measured. */
const TENSOR_TYPES: Readonly<Record<number, readonly [number, number]>> = {
  ...{ 0: [1, 4], 1: [1, 2], 2: [32, 18], 3: [32, 20], 6: [32, 22], 7: [32, 24], 8: [32, 34], 9: [32, 36] },
  ...{ 10: [256, 84], 11: [256, 110], 12: [256, 144], 13: [256, 176], 14: [256, 210], 15: [256, 292] },
  ...{ 16: [256, 66], 17: [256, 74], 18: [256, 98], 19: [256, 50], 20: [32, 18], 21: [256, 110], 22: [256, 82] },
  ...{ 23: [256, 136], 24: [1, 1], 25: [1, 2], 26: [1, 4], 27: [1, 8], 28: [1, 8], 29: [256, 56], 30: [1, 2] },
  ...{ 34: [256, 54], 35: [256, 66], 39: [32, 17], 40: [64, 36], 41: [128, 18], 42: [64, 18] },
};

export function readGguf(path: string): GgufHeader {
  const fd = openSync(path, 'r');
  try {
    return readFrom(openCursor(fd, fstatSync(fd).size));
  } finally {
    closeSync(fd);
  }
}

function readFrom(cursor: Cursor): GgufHeader {
  readMagic(cursor);
  const tensorCount = cursor.count('tensors');
  const keyCount = cursor.count('keys');
  const keys = new Map<string, string | number | boolean | undefined>();
  let tokens: string[] = [];
  for (let index = 0; index < keyCount; index += 1) {
    const key = cursor.text(NAME_BYTES_MAX).toString('utf8');
    const type = cursor.u32();
    keys.set(key, type === ARRAY ? undefined : scalar(cursor, type));
    if (type !== ARRAY) continue;
    if (key === 'tokenizer.ggml.tokens') tokens = strings(cursor);
    else skipArray(cursor);
  }
  const tensors = Array.from({ length: tensorCount }, () => tensorInfo(cursor));
  const alignment = Number(keys.get('general.alignment') ?? 32) || 32;
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { keys, tokens, tensors, dataStart, fileBytes: cursor.size };
}

function readMagic(cursor: Cursor): void {
  if (cursor.size === 0) throw new GgufError('is empty');
  const magic = cursor.take(Math.min(4, cursor.size)).toString('latin1');
  if (magic !== 'GGUF') {
    throw new GgufError(
      `is not a GGUF file: it starts with ${JSON.stringify(magic)}, as a web page or another format does`,
    );
  }
  const version = cursor.u32();
  if (version === 2 || version === 3) return;
  // A big-endian file has its version's bytes at the other end.
  const hint = version > 0xffff ? 'it is big-endian, for another kind of computer' : `it has GGUF version ${version}`;
  throw new GgufError(`cannot be read: ${hint}`);
}

function scalar(cursor: Cursor, type: number): string | number | boolean {
  if (type === STRING) return cursor.text().toString('utf8');
  const bytes = cursor.take(scalarBytes(type));
  if (type === BOOL) return bytes[0] !== 0;
  if (type === F32) return bytes.readFloatLE();
  if (type === F64) return bytes.readDoubleLE();
  // Unsigned types have even numbers up to u32; the last two are u64 and i64.
  if (type === 10) return Number(bytes.readBigUInt64LE());
  if (type === 11) return Number(bytes.readBigInt64LE());
  return type % 2 === 0 ? bytes.readUIntLE(0, bytes.length) : bytes.readIntLE(0, bytes.length);
}

function strings(cursor: Cursor): string[] {
  const type = cursor.u32();
  if (type !== STRING) throw new GgufError('is damaged: its tokens are not text');
  return Array.from({ length: cursor.count('tokens') }, () => cursor.text().toString('latin1'));
}

function skipArray(cursor: Cursor): void {
  const type = cursor.u32();
  const count = cursor.count('array values');
  if (type === ARRAY) throw new GgufError('is damaged: it has an array of arrays');
  if (type !== STRING) return void cursor.skip(count * scalarBytes(type));
  for (let index = 0; index < count; index += 1) cursor.text();
}

function scalarBytes(type: number): number {
  const bytes = SCALAR_BYTES[type];
  if (!bytes) throw new GgufError(`is damaged: it has a value of the unknown type ${type}`);
  return bytes;
}

function tensorInfo(cursor: Cursor): GgufTensorInfo {
  const name = cursor.text(NAME_BYTES_MAX).toString('utf8');
  const dims = cursor.u32();
  if (dims > DIMS_MAX) throw new GgufError(`is damaged: tensor ${name} has ${dims} dimensions`);
  let values = 1;
  for (let index = 0; index < dims; index += 1) values *= cursor.u64();
  const [perBlock, blockBytes] = TENSOR_TYPES[cursor.u32()] ?? [];
  const bytes = perBlock && blockBytes ? Math.ceil(values / perBlock) * blockBytes : undefined;
  return { name, bytes, offset: cursor.u64() };
}

type Cursor = ReturnType<typeof openCursor>;

/** Reads forward. What would lie behind the file's end is said to be missing. */
function openCursor(fd: number, size: number) {
  let window = Buffer.alloc(0);
  let windowStart = 0;
  let position = 0;

  function take(length: number): Buffer {
    if (position + length > size) throw new GgufError(`ends early, after ${size} bytes, within its header`);
    if (position < windowStart || position + length > windowStart + window.length) {
      const next = Buffer.allocUnsafe(Math.min(Math.max(length, WINDOW_BYTES), size - position));
      let filled = 0;
      while (filled < next.length) {
        const read = readSync(fd, next, filled, next.length - filled, position + filled);
        if (read === 0) throw new GgufError('became shorter while it was read');
        filled += read;
      }
      window = next;
      windowStart = position;
    }
    const start = position - windowStart;
    position += length;
    return window.subarray(start, start + length);
  }
  function u64(): number {
    return Number(take(8).readBigUInt64LE());
  }
  return {
    size,
    get position() {
      return position;
    },
    take,
    skip(length: number): void {
      if (position + length > size) throw new GgufError(`ends early, after ${size} bytes, within its header`);
      position += length;
    },
    u32: () => take(4).readUInt32LE(),
    u64,
    count(what: string): number {
      const count = u64();
      // Each takes at least a byte.
      if (count > size - position) throw new GgufError(`ends early or is damaged: it claims to have ${count} ${what}`);
      return count;
    },
    text(bytesMax = TEXT_BYTES_MAX): Buffer {
      const length = u64();
      if (length > bytesMax) throw new GgufError(`is damaged: it has a name or text of ${length} bytes`);
      return take(length);
    },
  };
}
