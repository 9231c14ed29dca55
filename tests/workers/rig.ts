// A host with folders of its own, and short ways to write jobs and to wait for what they say.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Behaviour } from '../../fixtures/engines/test-engine.ts';
import type { EngineSettings } from '../../src/engines/engine.ts';
import { type CliDefaults, type ModelFile, Task, type TaskKind } from '../../src/protocol/index.ts';
import { openHost } from '../../src/workers/host.ts';
import type { Host, HostJob, HostOptions, HostSettings, JobObserver, PoolSettings } from '../../src/workers/types.ts';

export const GIB = 2 ** 30;

export type SettingsPatch = {
  pool?: Partial<PoolSettings>;
  pools?: Partial<Record<TaskKind, Partial<PoolSettings>>>;
  deviceBytes?: number;
  keepAliveMs?: number;
  machine?: Pick<HostSettings, 'devices' | 'ramBytes'>;
};

export function settings(patch: SettingsPatch = {}): HostSettings {
  const { pool, pools, deviceBytes = 8 * GIB, keepAliveMs = -1, machine } = patch;
  const each = (kind: TaskKind): PoolSettings => ({
    ...{ vramBytes: 8 * GIB, threads: 1, concurrency: 1 },
    ...pool,
    ...pools?.[kind],
  });
  return {
    pools: {
      image: each('image'),
      llm: each('llm'),
      audio_stt: each('audio_stt'),
      audio_tts: each('audio_tts'),
      video: each('video'),
    },
    deviceBytes,
    keepAliveMs,
    ...machine,
  };
}

/** Nothing but this machine may be asked, and one thread computes: more of them would only wait for each other here. */
export function engineSettings(modelsRoot: string, patch: Partial<EngineSettings> = {}): EngineSettings {
  return { gpu: 'auto', cpuThreads: 1, network: { allowLoopback: true, allowedHosts: [] }, modelsRoot, ...patch };
}

export type Rig = AsyncDisposable & {
  readonly host: Host;
  readonly root: string;
  readonly scratchRoot: string;
  readonly logs: { level: string; message: string; fields: Record<string, unknown> }[];
  /** Resolves as soon as `holds` does, looked at after every change that the host tells of. */
  until(holds: () => boolean): Promise<void>;
};

/** `engine.modelsRoot`: a folder with model files, laid out as the model store does; by default an empty one. */
export type RigPatch = SettingsPatch &
  Partial<Omit<HostOptions, 'engineSettings'>> & { engine?: Partial<EngineSettings> };

export async function openRig(patch: RigPatch = {}): Promise<Rig> {
  const root = await mkdtemp(join(tmpdir(), 'workers-test-'));
  const scratchRoot = join(root, 'scratch');
  const waiting = new Set<() => void>();
  const logs: Rig['logs'] = [];
  const host = await openHost({
    settings: settings(patch),
    extraEngines: patch.extraEngines ?? [],
    onlyEngines: patch.onlyEngines,
    ...(patch.probed && { probed: patch.probed }),
    engineSettings: engineSettings(join(root, 'models'), patch.engine),
    ...(patch.memory && { memory: patch.memory }),
    scratchRoot,
    ...(patch.freeBytes && { freeBytes: patch.freeBytes }),
    ...(patch.counts && { counts: patch.counts }),
    ...(patch.recovery && { recovery: patch.recovery }),
    cancelGraceMs: patch.cancelGraceMs ?? 5_000,
    log: (level, message, fields = {}) => logs.push({ level, message, fields }),
  });
  host.changes.addEventListener('change', () => {
    for (const look of [...waiting]) look();
  });
  return {
    ...{ host, root, scratchRoot, logs },
    async until(holds) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => {
        if (holds()) resolve();
      };
      waiting.add(look);
      look();
      await promise;
      waiting.delete(look);
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const CLI_DEFAULTS: CliDefaults = { cfgScale: 1, steps: 1, width: 0, height: 0 };
let jobCount = 0;

export function task(kind: TaskKind, text: string, more: Record<string, unknown> = {}): Task {
  const own = {
    image: { prompt: text, width: 64, height: 48, ext: 'png' },
    llm: { messages: [{ role: 'user', content: text }] },
    audio_stt: { inputUrl: text },
    audio_tts: { text },
    video: { prompt: text, width: 32, height: 32, seconds: 0.5 },
  };
  return Task.parse({ kind, ...own[kind], ...more });
}

export type JobPatch = {
  kind?: TaskKind;
  engine?: string;
  model?: string;
  gib?: number;
  cliDefaults?: Partial<CliDefaults>;
  files?: readonly ModelFile[];
  task?: Task;
};

export function syntheticJob(kind: TaskKind, text = 'a red fox', patch: JobPatch = {}): HostJob {
  jobCount += 1;
  return {
    jobId: `job-${jobCount}`,
    model: patch.model ?? 'synthetic',
    source: {
      engine: patch.engine ?? 'synthetic',
      files: [...(patch.files ?? [])],
      cliDefaults: { ...CLI_DEFAULTS, ...patch.cliDefaults },
    },
    task: patch.task ?? task(kind, text),
    vramBytes: (patch.gib ?? 0) * GIB,
  };
}

/** A job for the test engine; an llm one unless told otherwise. */
export function testJob(behaviour: Behaviour = {}, patch: JobPatch = {}): HostJob {
  const kind = patch.kind ?? 'llm';
  return syntheticJob(kind, JSON.stringify(behaviour), { engine: 'test', model: 'test-a', gib: 1, ...patch });
}

export type Ears = JobObserver & {
  readonly phases: string[];
  readonly progressed: { ratio: number }[];
  readonly loadRatios: number[];
  readonly tokens: string[];
  readonly thoughts: string[];
  readonly lines: string[];
  readonly chunks: Uint8Array[];
  /** Resolves when the engine itself says that it loads. */
  readonly loading: Promise<void>;
  /** Resolves when the job says that it runs. */
  readonly running: Promise<void>;
  readonly started: Promise<void>;
};

/** Writes down all that a job says. `started` resolves with its first progress. */
export function ears(write?: (chunk: Uint8Array) => Promise<void>): Ears {
  const loading = Promise.withResolvers<void>();
  const running = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const heard = { phases: [] as string[], progressed: [] as { ratio: number }[], loadRatios: [] as number[] };
  const texts = { tokens: [] as string[], thoughts: [] as string[], lines: [] as string[], chunks: [] as Uint8Array[] };
  return {
    ...heard,
    ...texts,
    loading: loading.promise,
    running: running.promise,
    started: started.promise,
    phase(phase) {
      heard.phases.push(phase);
      if (phase === 'running') running.resolve();
    },
    loadProgress(ratio) {
      heard.loadRatios.push(ratio);
      loading.resolve();
    },
    progress(progress) {
      heard.progressed.push(progress);
      started.resolve();
    },
    token(text) {
      texts.tokens.push(text);
      started.resolve();
    },
    reasoning: (text) => void texts.thoughts.push(text),
    log: (_level, message) => void texts.lines.push(message),
    async write(chunk) {
      if (write) await write(chunk);
      else texts.chunks.push(chunk);
    },
  };
}

/** The pid in what the test engine answers. */
export function pidOf(result: { kind: string; value?: unknown }): number {
  return (result.value as { pid: number }).pid;
}

/** Whether the process still runs. One that has ended, and that its new parent has not asked for yet, does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
