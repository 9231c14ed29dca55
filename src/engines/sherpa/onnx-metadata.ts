// Reads the metadata of an ONNX file without loading it: only the outermost fields of the protobuf message, skipping the
// weights. sherpa-onnx ends the process when an entry that it wants is missing, so we look first.
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';

/** Fields of ModelProto and of StringStringEntryProto. */
const GRAPH = 7;
const METADATA = 14;
const KEY = 1;
const VALUE = 2;
/** Speaker names are the longest; a graph may be gigabytes and is never read. */
const ENTRY_BYTES_MAX = 1024 * 1024;
const VARINT_BYTES_MAX = 10;

/** `what` names the model in failures, e.g. `the voice`. */
export async function onnxMetadata(path: string, what: string): Promise<ReadonlyMap<string, string>> {
  try {
    return await readMetadata(path);
  } catch (cause) {
    if (!(cause instanceof Broken)) throw cause;
    throw new Failure('MODEL_INVALID', `${what} cannot be used: ${cause.message}`, { cause });
  }
}

/** Says what is wrong with a file. */
class Broken extends Error {}

async function readMetadata(path: string): Promise<ReadonlyMap<string, string>> {
  await using file = await open(path);
  const { size } = await file.stat();
  const metadata = new Map<string, string>();
  let graph = false;
  for (let at = 0; at < size; ) {
    const head = await read(file, at, Math.min(2 * VARINT_BYTES_MAX, size - at));
    const field = fieldAt(head, 0);
    if (!field) throw new Broken('it is no ONNX file');
    const { number, length, begin } = field;
    const end = at + begin + length;
    if (end > size) throw new Broken(`it is cut short at ${size} bytes`);
    if (number === GRAPH) graph = true;
    if (number === METADATA && length <= ENTRY_BYTES_MAX) {
      const [key, value] = entryOf(await read(file, at + begin, length));
      metadata.set(key, value);
    }
    at = end;
  }
  if (!graph) throw new Broken('it is no ONNX file');
  return metadata;
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

function entryOf(bytes: Buffer): [key: string, value: string] {
  const texts = new Map<number, string>();
  for (let at = 0; at < bytes.length; ) {
    const field = fieldAt(bytes, at);
    if (!field || field.begin + field.length > bytes.length) throw new Broken('its metadata cannot be read');
    texts.set(field.number, bytes.toString('utf8', field.begin, field.begin + field.length));
    at = field.begin + field.length;
  }
  return [texts.get(KEY) ?? '', texts.get(VALUE) ?? ''];
}

/** Where a field's content begins and how long it is; a number's content is empty, since it stands in the head. */
function fieldAt(bytes: Buffer, at: number): { number: number; begin: number; length: number } | undefined {
  const tag = varintAt(bytes, at);
  if (!tag || tag.value < 8) return undefined;
  const number = Math.floor(tag.value / 8);
  switch (tag.value % 8) {
    case 0: {
      const value = varintAt(bytes, tag.end);
      return value && { number, begin: value.end, length: 0 };
    }
    case 1:
      return { number, begin: tag.end, length: 8 };
    case 2: {
      const length = varintAt(bytes, tag.end);
      return length && { number, begin: length.end, length: length.value };
    }
    case 5:
      return { number, begin: tag.end, length: 4 };
    default:
      return undefined;
  }
}

function varintAt(bytes: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    // Multiplied, not shifted: a length may pass 32 bits.
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return undefined;
}
