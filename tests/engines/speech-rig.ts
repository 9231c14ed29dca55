// What the tests of the speech engines share: model folders as the model store lays them out, sound, and answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import wavefile from 'wavefile';
import type { ModelFile, TaskKind } from '../../src/protocol/index.ts';
import type { HostJob, JobResult } from '../../src/workers/types.ts';
import { syntheticJob, task } from '../workers/rig.ts';

export type FileSpec = { readonly role: string; readonly filename: string; readonly content: Uint8Array | string };
export type Models = {
  readonly modelsRoot: string;
  /** Writes the files of a model and answers with a way to make jobs for it. */
  add(engine: string, model: string, files: readonly FileSpec[], kind?: TaskKind): Promise<JobMaker>;
};
export type JobMaker = (text: string, more?: Record<string, unknown>) => HostJob;

/** A models folder of this test file's own, removed when its tests are done. */
export function openModels(usual: TaskKind): Models {
  const modelsRoot = mkdtempSync(join(tmpdir(), 'speech-models-'));
  after(() => rmSync(modelsRoot, { recursive: true, force: true }));
  return {
    modelsRoot,
    async add(engine, model, files, kind = usual) {
      await mkdir(join(modelsRoot, model), { recursive: true });
      for (const { filename, content } of files) await writeFile(join(modelsRoot, model, filename), content);
      const listed: ModelFile[] = files.map(({ role, filename }) => ({
        ...{ role, filename },
        // Nobody listens there: what is not in the folder fails.
        url: `http://127.0.0.1:9/${filename}`,
      }));
      return (text, more) => syntheticJob(kind, '', { engine, model, files: listed, task: task(kind, text, more) });
    },
  };
}

/** The same noise every time: speech to the scripted whisper, and loud to the scripted voice detector. */
export function noise(seconds: number, sampleRate = 16_000): Float32Array {
  let state = 1;
  return Float32Array.from({ length: Math.round(seconds * sampleRate) }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state / 2 ** 31 - 1) * 0.2;
  });
}

export function silence(seconds: number): Float32Array {
  return new Float32Array(seconds * 16_000);
}

export function concat(...parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

export type WavOptions = { sampleRate?: number; channels?: number; depth?: '8' | '16' | '24' | '32' | '32f' | '64' };

export function wavOf(
  samples: Float32Array,
  { sampleRate = 16_000, channels = 1, depth = '16' }: WavOptions = {},
): Buffer {
  const wav = new wavefile.WaveFile();
  const one = depth.length > 2 || depth === '64' ? samples : scaled(samples, Number(depth));
  wav.fromScratch(channels, sampleRate, depth, channels === 1 ? one : Array.from({ length: channels }, () => one));
  return Buffer.from(wav.toBuffer());
}

/** wavefile wants whole numbers, and for 8 bits unsigned ones. */
function scaled(samples: Float32Array, bits: number): Float64Array {
  const full = 2 ** (bits - 1);
  return Float64Array.from(samples, (each) => Math.round(each * (full - 1)) + (bits === 8 ? full : 0));
}

export function dataUrl(file: Uint8Array, mime = 'audio/wav'): string {
  return `data:${mime};base64,${Buffer.from(file).toString('base64')}`;
}

export function jsonOf(result: JobResult): Record<string, unknown> {
  assert.ok(result.kind === 'json');
  return result.value as Record<string, unknown>;
}

export const HAS_FFMPEG = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0;
export const WITHOUT_FFMPEG = HAS_FFMPEG ? false : 'needs ffmpeg: install the package `ffmpeg`';
