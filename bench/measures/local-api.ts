// The local API: what a chat of one token and each streamed token cost over node-llama-cpp called directly, and how quick
// the worker says that it lives while every pool is busy. The worker is the real CLI; nobody answers it as its studio.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { scriptedLlama } from '../../fixtures/models/scripted-llama.ts';
import { TASK_KINDS, type TaskKind } from '../../src/protocol/index.ts';
import { median, round, spread } from '../stats.ts';
import { type Direct, openDirect, PROMPT } from './llama.ts';

export type LocalApiFigures = {
  readonly chatsPerSecond: number;
  readonly directPerSecond: number;
  readonly chatP99Ms: number;
  readonly directP99Ms: number;
  /** What the way through port, queue and events adds to a token, in ms. */
  readonly sseOverheadMs: number;
  readonly directTokenMs: number;
  /** Goal: at most 5. */
  readonly healthzBusyP99Ms: number;
};

const BIN = fileURLToPath(new URL('../../bin/studio-worker.js', import.meta.url));
const TEST_ENGINE = fileURLToPath(new URL('../../fixtures/engines/test-engine.ts', import.meta.url));
/** Some three milliseconds a token, as a small model takes on a GPU. */
const FEED_FORWARD = 131_072;
const CONTEXT = 4096;
const MODEL = 'bench-llama';
const CHATS = 200;
const TOKENS = 150;
const ROUNDS = 5;
const HEALTHS = 3_000;
/** Questions before those: neither side's code is compiled yet, and engine processes that have just started still settle. */
const WARM_UP = 300;
/** Longer than the questions take; the answers are not waited for. */
const BUSY_MS = 60_000;
/** A step of a picture takes about as long. */
const STEP_MS = 100;

export async function measureLocalApi(): Promise<LocalApiFigures> {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-bench-api-'));
  try {
    const modelPath = await writeModels(dir);
    await using direct = await openDirect(modelPath, CONTEXT);
    await using api = await startApi(dir);
    await direct.run(1);
    await api.chat(1);
    const directMs: number[] = [];
    const chatMs: number[] = [];
    // In turns, so that both meet the machine in the same mood.
    for (let index = 0; index < CHATS; index += 1) {
      directMs.push(await timed(() => direct.run(1)));
      chatMs.push(await timed(() => api.chat(1)));
    }
    const tokens = await measureTokens(direct, api);
    const healthzBusyP99Ms = await measureHealthz(api);
    const perSecond = (samples: readonly number[]) => round(1000 / median(samples));
    return {
      ...{ chatsPerSecond: perSecond(chatMs), directPerSecond: perSecond(directMs) },
      ...{ chatP99Ms: spread(chatMs).p99, directP99Ms: spread(directMs).p99 },
      ...tokens,
      healthzBusyP99Ms,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measureTokens(direct: Direct, api: Api) {
  const directMs: number[] = [];
  const streamedMs: number[] = [];
  for (let index = 0; index < ROUNDS; index += 1) {
    directMs.push(perToken(await direct.run(TOKENS)));
    streamedMs.push(perToken(await api.stream(TOKENS)));
  }
  const directTokenMs = median(directMs);
  return { sseOverheadMs: round(median(streamedMs) - directTokenMs), directTokenMs };
}

async function measureHealthz(api: Api): Promise<number> {
  const busy = TASK_KINDS.map((kind) => api.busy(kind));
  await api.untilBusy();
  for (let index = 0; index < WARM_UP; index += 1) await api.health();
  const samples: number[] = [];
  for (let index = 0; index < HEALTHS; index += 1) samples.push(await timed(() => api.health()));
  for (const leave of busy) leave();
  return spread(samples).p99;
}

function perToken(times: readonly number[]): number {
  return ((times.at(-1) ?? Number.NaN) - (times[0] ?? Number.NaN)) / (times.length - 1);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

async function writeModels(dir: string): Promise<string> {
  const modelPath = join(dir, 'models', MODEL, 'model.gguf');
  await mkdir(join(dir, 'models', MODEL), { recursive: true });
  const scripts = [{ pieces: ['one', ' two', ' three', ' four'], loops: true }];
  await writeFile(modelPath, scriptedLlama({ scripts, feedForward: FEED_FORWARD, contextLength: CONTEXT }));
  const cliDefaults = { cfgScale: 1, steps: 1, width: 1, height: 1, contextSize: CONTEXT };
  const files = [{ role: 'model', url: 'https://models.invalid/model.gguf', filename: 'model.gguf' }];
  const entry = (id: string, kind: TaskKind, source: object) => ({ id, displayName: id, kind, source });
  const models = [
    entry(MODEL, 'llm', { engine: 'llama-cpp', files, cliDefaults }),
    ...TASK_KINDS.map((kind) => entry(`busy-${kind}`, kind, { engine: 'test', files: [], cliDefaults })),
  ];
  await writeFile(join(dir, 'models.json'), JSON.stringify({ models }));
  return modelPath;
}

type Api = AsyncDisposable & {
  chat(maxTokens: number): Promise<void>;
  /** When each token arrived. */
  stream(maxTokens: number): Promise<number[]>;
  health(): Promise<void>;
  /** Gives the pool of this kind something to do until the result is called. */
  busy(kind: TaskKind): () => void;
  /** Resolves when a job of every kind runs. */
  untilBusy(): Promise<void>;
};

async function startApi(dir: string): Promise<Api> {
  const config = `api_base_url = "http://127.0.0.1:9/"
models_root = ${JSON.stringify(join(dir, 'models'))}
gpu = "cpu"
cpu_threads = 1
only_engines = ["llama-cpp", "test"]

[[engines]]
id = "test"
module = ${JSON.stringify(TEST_ENGINE)}
kinds = ["image", "llm", "audio_stt", "audio_tts", "video"]
run_stall_secs = 600
`;
  await writeFile(join(dir, 'config.toml'), config, { mode: 0o600 });
  const child = spawn(process.execPath, [BIN, 'run', '--config', join(dir, 'config.toml')], {
    env: { ...process.env, STUDIO_WORKER_LOCAL_API_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stderr });
  await new Promise<void>((listens, failed) => {
    lines.on('line', (line) => line.includes('the local API listens') && listens());
    exited.then(() => failed(new Error('the worker has ended')));
  });
  const { url, token } = JSON.parse(await readFile(join(dir, 'local-api.json'), 'utf8')) as Record<string, string>;
  const dispatcher = new Agent();
  const headers = { authorization: `Bearer ${token}` };
  const post = async (path: string, body: object, signal?: AbortSignal) => {
    const sent = {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      dispatcher,
      ...(signal && { signal }),
    } as const;
    const answer = await request(`${url}${path}`, sent);
    if (answer.statusCode === 200) return answer.body;
    throw new Error(`${path} was answered with ${answer.statusCode}: ${await answer.body.text()}`);
  };
  const ask = (maxTokens: number, stream: boolean) =>
    post('/v1/chat/completions', {
      ...{ model: MODEL, messages: [{ role: 'user', content: PROMPT }], max_tokens: maxTokens, stream },
    });
  return {
    async chat(maxTokens) {
      await (await ask(maxTokens, false)).text();
    },
    async stream(maxTokens) {
      const times: number[] = [];
      for await (const chunk of await ask(maxTokens, true)) {
        for (const _ of String(chunk).matchAll(/"content":/g)) times.push(performance.now());
      }
      return times;
    },
    async health() {
      await (await request(`${url}/healthz`, { dispatcher })).body.dump();
    },
    busy(kind) {
      const leaving = new AbortController();
      const told = JSON.stringify({ ms: BUSY_MS, steps: BUSY_MS / STEP_MS });
      const bodies: Record<TaskKind, [string, object]> = {
        image: ['/image', { prompt: told }],
        llm: ['/v1/chat/completions', { messages: [{ role: 'user', content: PROMPT }], max_tokens: CONTEXT }],
        audio_stt: ['/stt', { inputUrl: told }],
        audio_tts: ['/tts', { text: told }],
        video: ['/video', { prompt: told }],
      };
      const [path, body] = bodies[kind];
      const model = kind === 'llm' ? MODEL : `busy-${kind}`;
      post(path, { ...body, model }, leaving.signal).catch(() => {});
      return () => leaving.abort();
    },
    async untilBusy() {
      for (let kinds = new Set<string>(); kinds.size < TASK_KINDS.length; ) {
        const answer = await request(`${url}/daemon/status`, { headers, dispatcher });
        const { activeJobs } = (await answer.body.json()) as { activeJobs: { kind: string }[] };
        kinds = new Set(activeJobs.map(({ kind }) => kind));
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      child.kill('SIGTERM');
      await exited;
      await dispatcher.destroy();
    },
  };
}
