// A model made of stand-in files, the engine loaded with it, and short ways to run tasks and to hear what they say.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Behaviour, type ModelBehaviour, modelText } from '../../../fixtures/sd-cpp/behaviour.ts';
import type {
  EngineSettings,
  LoadedModel,
  LocalModelFile,
  RunContext,
  RunProgress,
} from '../../../src/engines/engine.ts';
import { engine } from '../../../src/engines/sd-cpp/engine.ts';
import { type CliDefaults, ImageTask, type Task, VideoTask } from '../../../src/protocol/index.ts';
import { engineSettings } from '../../workers/rig.ts';

export const BIN = fileURLToPath(new URL('../../../fixtures/bin', import.meta.url));

/** How the engine is to find the stand-in, in this process and in what it starts. */
export function useStandIn(which: 'cli' | 'server'): void {
  process.env.STAND_IN_NODE = process.execPath;
  if (which === 'server') process.env.STUDIO_WORKER_SD_SERVER = join(BIN, 'sd-server');
  else process.env.STUDIO_WORKER_SD_CLI = loneCli();
}

/** An sd-cli without the sd-server that lies beside the stand-in, since that one would be preferred. */
export function loneCli(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sd-cpp-cli-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'sd-cli');
  writeFileSync(path, `#!/bin/sh\nexec "${join(BIN, 'sd-cli')}" "$@"\n`, { mode: 0o755 });
  return path;
}

export const DEFAULTS: CliDefaults = { cfgScale: 1, steps: 3, width: 64, height: 64 };

export type Scene = AsyncDisposable & {
  readonly root: string;
  /** Writes a file of the model and names it. */
  file(role: string, content?: ModelBehaviour | string): Promise<LocalModelFile>;
  load(files: readonly LocalModelFile[], patch?: LoadPatch): Promise<LoadedModel>;
  /** What the stand-in was started with, oldest first. */
  starts(): Promise<Start[]>;
  readonly loadLines: string[];
};

export type Start = { name: string; pid: number; args: string[]; cwd: string; backtrace: string | null };
export type LoadPatch = { defaults?: Partial<CliDefaults>; settings?: Partial<EngineSettings>; signal?: AbortSignal };

export async function openScene(): Promise<Scene> {
  const root = await mkdtemp(join(tmpdir(), 'sd-cpp-test-'));
  const loaded: LoadedModel[] = [];
  const loadLines: string[] = [];
  const log = join(root, 'starts.jsonl');
  process.env.STAND_IN_LOG = log;
  let scratches = 0;
  return {
    root,
    loadLines,
    async file(role, content = {}) {
      const filename = `${role}.gguf`;
      const path = join(root, filename);
      await writeFile(path, typeof content === 'string' ? content : modelText(content));
      return { role, filename, path };
    },
    async load(files, { defaults, settings, signal = new AbortController().signal } = {}) {
      scratches += 1;
      const scratchDir = join(root, `model-${scratches}`);
      await mkdir(scratchDir);
      const source = { engine: 'sd-cpp', files: [], cliDefaults: { ...DEFAULTS, ...defaults } };
      const model = await engine.load(
        { key: 'k', model: 'm', source },
        {
          ...{ signal, files, scratchDir, settings: engineSettings(join(root, 'models'), settings) },
          progress: () => {},
          log: (_level, message) => loadLines.push(message),
        },
      );
      loaded.push(model);
      return model;
    },
    async starts() {
      const text = await readFile(log, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Start);
    },
    async [Symbol.asyncDispose]() {
      for (const model of loaded) await model[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export type Heard = RunContext & {
  readonly controller: AbortController;
  readonly progressed: RunProgress[];
  readonly lines: string[];
  /** Resolves with the first step. */
  readonly stepped: Promise<void>;
};

let runs = 0;

export async function hearing(scene: Scene, settings?: Partial<EngineSettings>): Promise<Heard> {
  runs += 1;
  const scratchDir = join(scene.root, `run-${runs}`);
  await mkdir(scratchDir);
  const controller = new AbortController();
  const stepped = Promise.withResolvers<void>();
  const progressed: RunProgress[] = [];
  const lines: string[] = [];
  return {
    ...{ controller, progressed, lines, scratchDir, signal: controller.signal, stepped: stepped.promise },
    settings: engineSettings(join(scene.root, 'models'), settings),
    progress(progress) {
      progressed.push(progress);
      if (progress.step !== undefined) stepped.resolve();
    },
    token: () => {},
    reasoning: () => {},
    partial: () => {},
    log: (_level, message) => lines.push(message),
  };
}

export async function bytesOf(
  model: LoadedModel,
  task: Task,
  context: RunContext,
): Promise<{ ext: string; file: Buffer }> {
  const result = await model.run(task, context);
  if (result.kind !== 'bytes') throw new Error('expected bytes');
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.chunks) chunks.push(chunk);
  return { ext: result.ext, file: Buffer.concat(chunks) };
}

export function imageTask(prompt: string | Behaviour, more: Partial<ImageTask> = {}): ImageTask {
  return ImageTask.parse({
    kind: 'image',
    prompt: words(prompt),
    width: 64,
    height: 64,
    steps: 3,
    ext: 'png',
    ...more,
  });
}

export function videoTask(prompt: string | Behaviour, more: Partial<VideoTask> = {}): VideoTask {
  return VideoTask.parse({
    kind: 'video',
    prompt: words(prompt),
    width: 64,
    height: 64,
    seconds: 0.5,
    fps: 8,
    ...more,
  });
}

function words(prompt: string | Behaviour): string {
  return typeof prompt === 'string' ? prompt : JSON.stringify(prompt);
}

/** A binary in a folder of its own that says other things of itself. */
export async function otherBinary(dir: string, name: string, env: Record<string, string>): Promise<string> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, name);
  const exports = Object.entries(env).map(([key, value]) => `export ${key}='${value}'\n`);
  await writeFile(path, `#!/bin/sh\n${exports.join('')}exec "${join(BIN, name)}" "$@"\n`);
  await chmod(path, 0o755);
  return path;
}
