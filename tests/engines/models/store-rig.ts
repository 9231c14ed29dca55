// A model store on a folder of its own, and what it says meanwhile.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineSettings, LocalModelFile, ModelRef } from '../../../src/engines/engine.ts';
import { ensureModelFiles, type StoreContext } from '../../../src/engines/models/store.ts';
import type { ModelFile } from '../../../src/protocol/index.ts';

/** Retries at once. A server that is silent is given up only where a test says so: the machine may be busy. */
export const QUICK = { retry: { firstMs: 1, mostMs: 2 }, stallMs: 60_000 } as const;

export const MIB = 1024 * 1024;

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export const randomFile = (bytes: number): Buffer => randomBytes(bytes);

export function modelOf(files: readonly ModelFile[], model = 'maker/model-1'): ModelRef {
  const cliDefaults = { cfgScale: 1, steps: 1, width: 0, height: 0 };
  return { key: 'key', model, source: { engine: 'test', files: [...files], cliDefaults } };
}

export function settingsOf(modelsRoot: string, allowLoopback = true): EngineSettings {
  return { gpu: 'cpu', cpuThreads: 1, network: { allowLoopback, allowedHosts: [] }, modelsRoot };
}

export type StoreRig = AsyncDisposable & {
  readonly root: string;
  /** The folder of `maker/model-1`. */
  readonly folder: string;
  readonly ratios: number[];
  readonly lines: string[];
  ensure(files: readonly ModelFile[], more?: Partial<StoreContext> & { model?: string }): Promise<LocalModelFile[]>;
  /** Names in the model's folder, or `[]`. */
  names(): Promise<string[]>;
  read(filename: string): Promise<Buffer>;
};

export async function storeRig(): Promise<StoreRig> {
  const root = await mkdtemp(join(tmpdir(), 'store-test-'));
  const folder = join(root, 'maker_model-1');
  const ratios: number[] = [];
  const lines: string[] = [];
  return {
    ...{ root, folder, ratios, lines },
    ensure: (files, { model, ...more } = {}) =>
      ensureModelFiles(modelOf(files, model), {
        signal: new AbortController().signal,
        settings: settingsOf(root),
        progress: (ratio) => void ratios.push(ratio),
        log: (level, message) => void lines.push(`${level}: ${message}`),
        env: {},
        ...QUICK,
        ...more,
      }),
    names: () =>
      readdir(folder).then(
        (names) => names.sort(),
        () => [],
      ),
    read: (filename) => readFile(join(folder, filename)),
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true });
    },
  };
}
