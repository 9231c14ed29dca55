// Finds the model's file and looks at it before the native library does: a cut or foreign file is then told as what it
// is, and not as "protobuf parsing failed" by a library that has already taken the memory for it.
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile } from '../engine.ts';

/** Fields of the outermost message, `ModelProto`. */
const IR_VERSION = 1;
const GRAPH = 7;
const FIELD_MAX = 25;
/** A tag is one or two bytes here, and a length at most ten. */
const HEAD_BYTES = 20;

export function modelFileOf(files: readonly LocalModelFile[]): LocalModelFile {
  const [file, another] = files.filter(({ role }) => role === 'model');
  if (!file) throw new Failure('MODEL_SOURCE_MISSING', 'the offer has no file with role `model` (the .onnx)');
  if (!another) return file;
  throw new Failure(
    'MODEL_INVALID',
    `the offer has more than one file with role \`model\`: ${file.filename}, ${another.filename}`,
  );
}

/**
 * Walks over the outermost fields, which are a handful whatever the size of the file, and wants the last one to end where
 * the file does. Rejects with `MODEL_INVALID`.
 */
export async function checkModelFile({ path, filename }: LocalModelFile): Promise<void> {
  const invalid = (why: string) => new Failure('MODEL_INVALID', `${filename} is not an ONNX model: ${why}`);
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  if (size === 0) throw invalid('it is empty');
  const seen = new Set<number>();
  for (let at = 0; at < size; ) {
    const field = await fieldAt(file, at);
    if (!field) throw invalid(`what stands at byte ${at} is no field of one`);
    if (field.end > size) {
      throw invalid(`it is cut off, ${size} bytes of at least ${field.end}; remove it to have it fetched again`);
    }
    seen.add(field.number);
    at = field.end;
  }
  if (!seen.has(IR_VERSION) || !seen.has(GRAPH)) throw invalid('it holds no graph');
}

async function fieldAt(file: FileHandle, at: number): Promise<{ number: number; end: number } | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, at);
  const head = buffer.subarray(0, bytesRead);
  const tag = varint(head, 0);
  if (!tag) return undefined;
  const number = Math.floor(tag.value / 8);
  if (number < 1 || number > FIELD_MAX) return undefined;
  const wire = tag.value % 8;
  const value = varint(head, tag.end);
  // A varint, or bytes after their length. The format has no other kind at this level.
  if (wire === 0) return { number, end: value ? at + value.end : at + HEAD_BYTES };
  if (wire === 2) return { number, end: value ? at + value.end + value.value : at + HEAD_BYTES };
  return undefined;
}

/** None when the bytes end within it. */
function varint(bytes: Uint8Array, from: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = from; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    value += (byte % 128) * 2 ** (7 * (i - from));
    if (byte < 128) return { value, end: i + 1 };
  }
  return undefined;
}
