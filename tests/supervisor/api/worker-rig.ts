// `studio-worker run` as a child process, with a catalogue of synthetic and tiny models, and OpenAI's own client to ask it.
// No studio answers it: the local API needs none.
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { bagOfWords } from '../../../fixtures/models/bag-of-words.ts';
import { scriptedLlama } from '../../../fixtures/models/scripted-llama.ts';
import { vitsModel, vitsTokens } from '../../../fixtures/models/vits.ts';
import { whisperModel } from '../../../fixtures/models/whisper.ts';
import type { ModelFile, TaskKind } from '../../../src/protocol/index.ts';
import { startWorker, type WorkerProcess } from '../../e2e/worker-process.ts';
import { SCRIPTS } from '../../engines/llama-cpp/models.ts';
import { type Answer, type Asking, ask } from './ask.ts';

export type TestModel = {
  readonly id: string;
  readonly kind: TaskKind;
  readonly engine: string;
  readonly files?: readonly {
    readonly role: string;
    readonly filename: string;
    readonly content: Uint8Array | string;
  }[];
  readonly enabled?: boolean;
  readonly contextSize?: number;
  readonly side?: number;
};

const synthetic = (kind: TaskKind, id: string): TestModel => ({ id, kind, engine: 'synthetic', side: 64 });

export const SYNTHETIC: readonly TestModel[] = [
  synthetic('image', 'synthetic-image'),
  synthetic('llm', 'synthetic-llm'),
  synthetic('audio_stt', 'synthetic-stt'),
  synthetic('audio_tts', 'synthetic-tts'),
  synthetic('video', 'synthetic-video'),
];

const llama = (id: string, content: Uint8Array): TestModel => ({
  ...{ id, kind: 'llm', engine: 'llama-cpp', contextSize: 2048 },
  files: [{ role: 'model', filename: 'model.gguf', content }],
});

/** They say what they are told; see fixtures/models. `slow` takes some milliseconds a token. */
export const tinyModels = {
  scripted: () => llama('scripted', scriptedLlama({ scripts: SCRIPTS, contextLength: 2048 })),
  slow: () => llama('slow', scriptedLlama({ scripts: SCRIPTS, contextLength: 2048, feedForward: 16_384 })),
  words: () => ({ ...llama('words', bagOfWords(['red', 'green', 'fox', 'house'])), contextSize: 64 }),
  whisper: (): TestModel => ({
    ...{ id: 'tiny-whisper', kind: 'audio_stt', engine: 'whisper-cpp' },
    files: [
      {
        ...{ role: 'model', filename: 'tiny.bin' },
        content: whisperModel({
          speech: [' Hello', ' world', { text: '.', at: 2 }, ' This is', { text: ' tiny', at: 4.5 }],
          silence: [{ text: ' [BLANK_AUDIO]', at: 5 }],
          translation: [' Hallo', { text: ' Welt', at: 3 }],
        }),
      },
    ],
  }),
  voice: (): TestModel => ({
    ...{ id: 'tiny-voice', kind: 'audio_tts', engine: 'piper' },
    files: [
      { role: 'model', filename: 'voice.onnx', content: vitsModel({ speakers: 3 }) },
      { role: 'tokens', filename: 'tokens.txt', content: vitsTokens() },
      { role: 'config', filename: 'voice.onnx.json', content: '{"speaker_id_map":{"Ann":0,"bob":2}}' },
    ],
  }),
};

export type ApiWorker = AsyncDisposable & {
  readonly worker: WorkerProcess;
  readonly url: string;
  readonly token: string;
  readonly openai: OpenAI;
  /** With the token. */
  ask(path: string, asking?: Asking): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
};

export async function startApiWorker(
  models: readonly TestModel[],
  config = '',
  env: Record<string, string> = {},
): Promise<ApiWorker> {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-api-'));
  const modelsRoot = join(dir, 'models');
  const text = `api_base_url = "http://127.0.0.1:9/"\nmodels_root = ${JSON.stringify(modelsRoot)}\ngpu = "cpu"\ncpu_threads = 1\n${config}`;
  await writeFile(join(dir, 'config.toml'), text, { mode: 0o600 });
  await writeCatalogue(dir, modelsRoot, models);
  const worker = startWorker({ dir, env: { STUDIO_WORKER_LOCAL_API_PORT: '0', ...env } });
  try {
    await worker.until('the local API listens');
    const { url, token } = JSON.parse(await readFile(join(dir, 'local-api.json'), 'utf8'));
    const headers = { authorization: `Bearer ${token}` };
    const withToken = (path: string, asking: Asking = {}): Promise<Answer> =>
      ask(url, path, { ...asking, headers: { ...headers, ...asking.headers } });
    return {
      ...{ worker, url, token },
      openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 }),
      ask: withToken,
      post: (path, body) => withToken(path, { method: 'POST', body: JSON.stringify(body) }),
      [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
    };
  } catch (error) {
    await worker[Symbol.asyncDispose]();
    throw error;
  }
}

/** The files lie there already: nobody is asked for them. */
export async function writeCatalogue(dir: string, modelsRoot: string, models: readonly TestModel[]): Promise<void> {
  for (const { id, files = [] } of models) {
    await mkdir(join(modelsRoot, id), { recursive: true });
    for (const { filename, content } of files) await writeFile(join(modelsRoot, id, filename), content);
  }
  const dismissedSeeds = [
    ...['z-image-turbo-q4_k_m.gguf', 'qwen3.5-0.8b', 'qwen3.5-2b', 'nemotron-3.5-stream', 'parakeet-eou-120m'],
  ];
  await writeFile(join(dir, 'models.json'), JSON.stringify({ models: models.map(entryOf), dismissedSeeds }));
}

function entryOf({ id, kind, engine, files = [], enabled = true, contextSize, side = 0 }: TestModel): object {
  const listed: ModelFile[] = files.map(({ role, filename }) => ({
    ...{ role, filename },
    url: `https://models.invalid/${id}/${filename}`,
  }));
  const cliDefaults = { cfgScale: 1, steps: 1, width: side, height: side, ...(contextSize && { contextSize }) };
  return { id, displayName: id, kind, vramGbEstimate: 0.01, source: { engine, files: listed, cliDefaults }, enabled };
}
