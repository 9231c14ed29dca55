// From the files of an offer to what the library wants, checked first: what it finds wrong, it answers by ending the
// process. All are sherpa-onnx's own exports of streaming models. Files by role:
//
//   encoder, decoder, joiner   a transducer: NeMo's (parakeet, nemotron), zipformer, zipformer2, conformer, LSTM, e-branchformer
//   encoder, decoder           paraformer
//   model                      CTC: NeMo's or zipformer2
//   tokens                     tokens.txt; every model needs it
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile } from '../engine.ts';
import { onnxMetadata } from '../sherpa/onnx-metadata.ts';
import type { ModelConfig } from './library.ts';
import { checkTokens, type TokensRule } from './tokens.ts';

export type StreamingModel = {
  readonly config: ModelConfig & { readonly tokens: string };
  /** Sound that one step of the model takes, in ms. */
  readonly chunkMs: number;
  /** Languages that it can be told, by their tags; empty: it has its one, or finds out by itself. */
  readonly languages: readonly string[];
};

type Metadata = ReadonlyMap<string, string>;

const NEMO = [
  ...['window_size', 'chunk_shift', 'subsampling_factor', 'vocab_size'],
  ...['cache_last_channel_dim1', 'cache_last_channel_dim2', 'cache_last_channel_dim3'],
  ...['cache_last_time_dim1', 'cache_last_time_dim2', 'cache_last_time_dim3'],
];
const NEMO_TRANSDUCER = [...NEMO, 'pred_rnn_layers', 'pred_hidden'];
const ZIPFORMER2 = [
  ...['encoder_dims', 'query_head_dims', 'value_head_dims', 'num_heads', 'num_encoder_layers'],
  ...['cnn_module_kernels', 'left_context_len', 'T', 'decode_chunk_len'],
];
/** What the encoder of a transducer must say, by the `model_type` that it states. */
const TRANSDUCERS: Readonly<Record<string, readonly string[]>> = {
  zipformer2: ZIPFORMER2,
  zipformer: [
    ...['encoder_dims', 'attention_dims', 'num_encoder_layers', 'cnn_module_kernels', 'left_context_len'],
    ...['T', 'decode_chunk_len'],
  ],
  conformer: [
    'num_encoder_layers',
    'T',
    'decode_chunk_len',
    'left_context',
    'encoder_dim',
    'pad_length',
    'cnn_module_kernel',
  ],
  lstm: ['num_encoder_layers', 'T', 'decode_chunk_len', 'rnn_hidden_size', 'd_model'],
  ebranchformer: [
    ...['decode_chunk_len', 'T', 'num_hidden_layers', 'hidden_size', 'intermediate_size', 'csgu_kernel_size'],
    ...['merge_conv_kernel', 'left_context_len', 'num_heads', 'head_dim'],
  ],
};
const DECODER = ['vocab_size', 'context_size'];
const PARAFORMER = [
  ...['vocab_size', 'lfr_window_size', 'lfr_window_shift', 'encoder_output_size', 'decoder_num_blocks'],
  ...['decoder_kernel_size', 'neg_mean', 'inv_stddev'],
];
/** The library's own step for paraformer, which does not state one: 61 frames of 10 ms. */
const PARAFORMER_CHUNK_MS = 610;
/** Longer steps than the ten seconds of any streaming model are damage. */
const CHUNK_FRAMES_MAX = 1_000;

export async function streamingModel(files: readonly LocalModelFile[], model: string): Promise<StreamingModel> {
  const pathOf = (role: string) => files.find((file) => file.role === role)?.path;
  const need = (role: string): string => {
    const path = pathOf(role);
    if (path !== undefined) return path;
    const roles = '`tokens` and either `encoder`, `decoder` and `joiner`, or `encoder` and `decoder`, or `model`';
    throw new Failure('MODEL_SOURCE_MISSING', `\`${model}\` has no file of role \`${role}\`: it needs ${roles}`);
  };
  const tokens = need('tokens');
  const [encoder, joiner] = [pathOf('encoder'), pathOf('joiner')];
  if (encoder === undefined) {
    const ctc = await ctcModel(need('model'));
    await checkTokens(tokens, ctc.tokens);
    return { ...ctc, config: { ...ctc.config, tokens } };
  }
  const decoder = need('decoder');
  const found =
    joiner === undefined ? await paraformer(encoder, decoder) : await transducer({ encoder, decoder, joiner });
  await checkTokens(tokens, found.tokens);
  return { ...found, config: { ...found.config, tokens } };
}

type Found = {
  readonly config: ModelConfig;
  readonly chunkMs: number;
  readonly languages: readonly string[];
  readonly tokens: TokensRule;
};

async function ctcModel(model: string): Promise<Found> {
  const metadata = await metadataOf(model);
  if (metadata.has('cache_last_channel_dim1')) {
    requireEntries(metadata, NEMO);
    const tokens = { blank: 'named', numbers: numberOf(metadata, 'vocab_size') + 1 } as const;
    return { config: { nemoCtc: { model } }, chunkMs: framesMs(metadata, 'chunk_shift'), languages: [], tokens };
  }
  requireEntries(metadata, ZIPFORMER2);
  const chunkMs = framesMs(metadata, 'decode_chunk_len');
  return { config: { zipformer2Ctc: { model } }, chunkMs, languages: [], tokens: { blank: 'named' } };
}

async function transducer(paths: { encoder: string; decoder: string; joiner: string }): Promise<Found> {
  const metadata = await metadataOf(paths.encoder);
  const config = { transducer: paths };
  await metadataOf(paths.joiner);
  const decoder = await metadataOf(paths.decoder);
  if (metadata.has('cache_last_channel_dim1')) {
    requireEntries(metadata, NEMO_TRANSDUCER);
    const tokens = { blank: 'last', numbers: numberOf(metadata, 'vocab_size') + 1, exactly: true } as const;
    return { config, chunkMs: framesMs(metadata, 'chunk_shift'), languages: languagesOf(metadata), tokens };
  }
  const type = metadata.get('model_type') ?? '';
  const entries = TRANSDUCERS[type];
  if (!entries) {
    const known = Object.keys(TRANSDUCERS).join(', ');
    const said = type === '' ? 'does not say of which type it is' : `is of the unknown type \`${type}\``;
    throw broken(`its encoder ${said} (\`model_type\`: ${known}, or NeMo's metadata); ${HINT}`);
  }
  requireEntries(metadata, entries);
  requireEntries(decoder, DECODER);
  const tokens = { blank: 'any', numbers: numberOf(decoder, 'vocab_size') } as const;
  return { config, chunkMs: framesMs(metadata, 'decode_chunk_len'), languages: [], tokens };
}

async function paraformer(encoder: string, decoder: string): Promise<Found> {
  const metadata = await metadataOf(encoder);
  requireEntries(metadata, PARAFORMER);
  await metadataOf(decoder);
  return {
    config: { paraformer: { encoder, decoder } },
    chunkMs: PARAFORMER_CHUNK_MS,
    languages: [],
    tokens: { blank: 'any', numbers: numberOf(metadata, 'vocab_size') },
  };
}

const HINT =
  "take the model from sherpa-onnx's own list of streaming models, since an export for other programs lacks them";

function metadataOf(path: string): Promise<Metadata> {
  return onnxMetadata(path, 'the recogniser');
}

function requireEntries(metadata: Metadata, keys: readonly string[]): void {
  const missing = keys.filter((key) => !metadata.has(key));
  if (missing.length > 0) throw broken(`its metadata lacks ${missing.join(', ')}; ${HINT}`);
}

function numberOf(metadata: Metadata, key: string): number {
  const value = Number(metadata.get(key));
  if (!Number.isInteger(value) || value < 1) throw broken(`its ${key} is no number`);
  return value;
}

function framesMs(metadata: Metadata, key: string): number {
  const frames = numberOf(metadata, key);
  if (frames > CHUNK_FRAMES_MAX) throw broken(`its ${key} is ${frames}, more than ${CHUNK_FRAMES_MAX}`);
  return frames * 10;
}

function languagesOf(metadata: Metadata): string[] {
  const text = metadata.get('prompt_dictionary');
  if (text === undefined) return [];
  try {
    const dictionary: unknown = JSON.parse(text);
    if (typeof dictionary === 'object' && dictionary !== null && !Array.isArray(dictionary)) {
      return Object.keys(dictionary).filter((tag) => tag !== 'auto');
    }
  } catch {
    // Said below: what is no JSON is no dictionary either.
  }
  throw broken('its prompt_dictionary is no JSON object');
}

function broken(why: string): Failure {
  return new Failure('MODEL_INVALID', `the recogniser cannot be used: ${why}`);
}
