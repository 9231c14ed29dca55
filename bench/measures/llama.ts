// Language models: what the way through pool, engine process and port costs over node-llama-cpp called directly. Both
// use one model file, one thread and the same settings, in turns, so that both meet the machine in the same mood.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getLlama } from 'node-llama-cpp';
import { GO, scriptedLlama } from '../../fixtures/models/scripted-llama.ts';
import { TASK_KINDS, type TaskKind } from '../../src/protocol/index.ts';
import { openHost } from '../../src/workers/host.ts';
import type { Host, HostJob, PoolSettings } from '../../src/workers/types.ts';
import { median, round } from '../stats.ts';

export type Llama = {
  readonly directTokensPerSecond: number;
  readonly pooledTokensPerSecond: number;
  /** Goal: at least 0.95. */
  readonly ratio: number;
  readonly directFirstTokenMs: number;
  readonly pooledFirstTokenMs: number;
  /** Goal: at most 10. */
  readonly firstTokenOverheadMs: number;
};

/** So wide that a token takes some three milliseconds, as a small model does on a GPU. */
const FEED_FORWARD = 131_072;
const TOKENS = 150;
const ROUNDS = 11;
const CONTEXT = 1024;
const MODEL = 'bench-llama';
export const PROMPT = 'count for ever';

type Run = { readonly firstTokenMs: number; readonly tokensPerSecond: number };
type Subject = AsyncDisposable & { run(): Promise<Run> };

async function timedRun(direct: Direct): Promise<Run> {
  const startMs = performance.now();
  return figures(startMs, await direct.run(TOKENS));
}

export async function measureLlama(): Promise<Llama> {
  const root = await mkdtemp(join(tmpdir(), 'studio-worker-bench-llama-'));
  try {
    await mkdir(join(root, MODEL));
    const path = join(root, MODEL, 'model.gguf');
    const scripts = [{ pieces: ['one', ' two', ' three', ' four'], loops: true }];
    await writeFile(path, scriptedLlama({ scripts, feedForward: FEED_FORWARD, contextLength: CONTEXT }));
    await using library = await openDirect(path);
    const direct = { run: () => timedRun(library) };
    await using pooled = await openPooled(root);
    await direct.run();
    await pooled.run();
    const runs: { direct: Run; pooled: Run }[] = [];
    for (let index = 0; index < ROUNDS; index += 1) {
      runs.push({ direct: await direct.run(), pooled: await pooled.run() });
    }
    const of = (pick: (one: (typeof runs)[number]) => number) => median(runs.map(pick));
    return {
      directTokensPerSecond: of((one) => one.direct.tokensPerSecond),
      pooledTokensPerSecond: of((one) => one.pooled.tokensPerSecond),
      ratio: round(of((one) => one.pooled.tokensPerSecond / one.direct.tokensPerSecond)),
      directFirstTokenMs: of((one) => one.direct.firstTokenMs),
      pooledFirstTokenMs: of((one) => one.pooled.firstTokenMs),
      firstTokenOverheadMs: of((one) => one.pooled.firstTokenMs - one.direct.firstTokenMs),
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The library as it is, in this process. */
export type Direct = AsyncDisposable & {
  /** Resolves with the times at which its tokens were there. */
  run(tokens: number): Promise<number[]>;
};

export async function openDirect(modelPath: string, contextSize = CONTEXT): Promise<Direct> {
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, progressLogs: false });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize, threads: 1 });
  const sequence = context.getSequence();
  return {
    async run(tokens) {
      await sequence.clearHistory();
      const prompt = model.tokenize(`[user]${PROMPT}\n${GO}`, true);
      const times: number[] = [];
      for await (const token of sequence.evaluate(prompt, { temperature: 0.7, topK: 0, topP: 1, seed: 1234 })) {
        model.detokenize([token]);
        times.push(performance.now());
        if (times.length === tokens) break;
      }
      return times;
    },
    [Symbol.asyncDispose]: () => llama.dispose(),
  };
}

async function openPooled(modelsRoot: string): Promise<Subject> {
  const pool: PoolSettings = { vramBytes: 2 ** 30, threads: 1, concurrency: 1 };
  const host = await openHost({
    settings: {
      pools: Object.fromEntries(TASK_KINDS.map((kind) => [kind, pool])) as Record<TaskKind, PoolSettings>,
      deviceBytes: 2 ** 30,
      keepAliveMs: -1,
    },
    extraEngines: [],
    engineSettings: { gpu: 'cpu', cpuThreads: 1, network: { allowLoopback: false, allowedHosts: [] }, modelsRoot },
    scratchRoot: join(modelsRoot, 'scratch'),
    log: () => {},
  });
  return {
    run: () => runPooled(host),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

async function runPooled(host: Host): Promise<Run> {
  const job: HostJob = {
    jobId: 'bench',
    model: MODEL,
    source: {
      engine: 'llama-cpp',
      files: [{ role: 'model', url: 'https://models.invalid/model.gguf', filename: 'model.gguf' }],
      cliDefaults: { cfgScale: 1, steps: 1, width: 1, height: 1, contextSize: CONTEXT },
    },
    task: {
      kind: 'llm',
      messages: [{ role: 'user', content: PROMPT }],
      maxTokens: TOKENS,
      temperature: 0.7,
    },
    vramBytes: 0,
  };
  const times: number[] = [];
  const startMs = performance.now();
  const run = host.run(job, {
    phase() {},
    progress() {},
    token: () => void times.push(performance.now()),
    log() {},
    write: async () => {},
  });
  await run.done;
  return figures(startMs, times);
}

function figures(startMs: number, times: readonly number[]): Run {
  const [firstMs = Number.NaN] = times;
  const lastMs = times.at(-1) ?? Number.NaN;
  return {
    firstTokenMs: firstMs - startMs,
    tokensPerSecond: ((times.length - 1) / (lastMs - firstMs)) * 1000,
  };
}
