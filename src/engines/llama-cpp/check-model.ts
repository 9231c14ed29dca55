// Looks at a model's file before the native library does, since that answers some faults with abort(): then all that is
// known is a dead process. What is found here becomes a message that says what to do.
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile } from '../engine.ts';
import { GgufError, type GgufHeader, readGguf } from './gguf-file.ts';

/** What the engine needs to know of a model besides its weights. */
export type ModelFacts = {
  readonly path: string;
  readonly architecture: string;
  readonly chatTemplate: string | undefined;
  /** Only if the file says so itself; llama.cpp's own default is not asked. */
  readonly addBos: boolean;
  /** Every token sees those after it: the model turns texts into vectors, and cannot go on with one. */
  readonly isEncoder: boolean;
};

const AGAIN = 'remove it, so that it is downloaded again, or offer another file';
const OTHER = 'use another file of this model, or convert it again';

export function checkModel(file: LocalModelFile): ModelFacts {
  const header = readHeader(file);
  const reason = endsEarly(header);
  if (reason !== undefined) throw invalid(file, reason, AGAIN);
  const fault = unloadable(header);
  if (fault !== undefined) throw invalid(file, fault, OTHER);
  const { keys } = header;
  const architecture = String(keys.get('general.architecture'));
  const template = keys.get('tokenizer.chat_template');
  return {
    path: file.path,
    architecture,
    chatTemplate: typeof template === 'string' ? template : undefined,
    addBos: keys.get('tokenizer.ggml.add_bos_token') === true,
    isEncoder: keys.get(`${architecture}.attention.causal`) === false,
  };
}

function readHeader(file: LocalModelFile): GgufHeader {
  try {
    return readGguf(file.path);
  } catch (cause) {
    if (cause instanceof GgufError) throw invalid(file, cause.message, AGAIN);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('MODEL_SOURCE_MISSING', `the model file ${file.filename} cannot be read: ${why}`, { cause });
  }
}

function endsEarly({ tensors, dataStart, fileBytes }: GgufHeader): string | undefined {
  const needed = tensors.reduce((most, { offset, bytes }) => Math.max(most, dataStart + offset + (bytes ?? 1)), 0);
  return needed > fileBytes ? `ends early: it has ${fileBytes} of at least ${needed} bytes` : undefined;
}

/** The faults that end the process instead of raising an exception, found by trying them. */
function unloadable(header: GgufHeader): string | undefined {
  const { keys, tokens, tensors } = header;
  const architecture = keys.get('general.architecture');
  if (typeof architecture !== 'string') return 'does not say what kind of model it is (general.architecture)';
  if (architecture === 'clip') return 'is the picture encoder of a model, not a language model';
  // A model in several files may have its tensors in the others.
  const isWhole = !keys.has('split.count');
  if (isWhole && tensors.length === 0) return 'has no tensors';
  const layers = keys.get(`${architecture}.block_count`);
  if (layers === 0) return 'has no layers (block_count is 0)';
  if (isWhole && typeof layers === 'number' && layers > tensors.length) {
    return `says that it has ${layers} layers, and holds only ${tensors.length} tensors`;
  }
  const sizes = missingSizes(header, architecture);
  if (sizes.length > 0) return `does not say its ${sizes.join(' and ')}`;
  if (new Set(tokens).size !== tokens.length) return 'has the same token twice';
  if (keys.get('tokenizer.ggml.model') === 'llama' && !tokens.includes('<0x00>'))
    return 'has no tokens for plain bytes';
  return undefined;
}

/** Sizes that are 0 or, where the tensors or the kind of model need them, absent. An array has one for each layer. */
function missingSizes({ keys, tensors }: GgufHeader, architecture: string): string[] {
  const has = (suffix: string) => tensors.some(({ name }) => name.endsWith(suffix));
  const needed = {
    embedding_length: false,
    feed_forward_length: architecture === 'llama',
    'attention.head_count': has('.attn_q.weight'),
    'attention.head_count_kv': false,
  };
  return Object.entries(needed)
    .map(([name, isNeeded]) => ({ key: `${architecture}.${name}`, isNeeded }))
    .filter(({ key, isNeeded }) => keys.get(key) === 0 || (isNeeded && !keys.has(key)))
    .map(({ key }) => key);
}

function invalid({ filename }: LocalModelFile, reason: string, remedy: string): Failure {
  return new Failure('MODEL_INVALID', `the model file ${filename} ${reason}; ${remedy}`);
}
