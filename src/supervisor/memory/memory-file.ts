// `memory.json` beside the configuration: the peaks of models, kept over restarts. Losing it costs nothing but a few
// reservations by estimate, so no error of it stops the worker.
import { readFile, rename } from 'node:fs/promises';
import type { TaskKind } from '../../protocol/index.ts';
import type { MeasuredModel, MemoryTruth } from '../../workers/types.ts';
import { writeFileAtomically } from '../config/write-file.ts';
import type { Logs } from '../logs/logs.ts';
import { type Peaks, parsePeaks, peaksText, withPeak } from './peaks.ts';

const GIB = 1024 ** 3;

export type MemoryFileOptions = {
  readonly path: string;
  /**
   * Where models of a kind are. They take other amounts on another `gpu`; `inRam`: the RAM of an engine's process says
   * what its model takes.
   */
  readonly placeOf: (kind: TaskKind) => { readonly gpu: string; readonly inRam: boolean };
  readonly logs: Pick<Logs, 'info' | 'warn'>;
  /** What a process holds of the GPUs, in bytes; asked where the engine itself does not tell. */
  readonly gpuBytesOf?: ((pid: number) => Promise<number | undefined>) | undefined;
};

/** Disposing waits until everything is written. */
export type MemoryFile = MemoryTruth & AsyncDisposable;

export async function openMemoryFile({ path, placeOf, logs, gpuBytesOf }: MemoryFileOptions): Promise<MemoryFile> {
  let peaks: Peaks = await readPeaks(path, logs);
  let writing = Promise.resolve();
  let unwritten = false;
  let asking = Promise.resolve();

  const keyOf = (key: string, kind: TaskKind): string => `${key}:${placeOf(kind).gpu}`;

  /** Many changes in a row become one write. */
  function save(): void {
    if (unwritten) return;
    unwritten = true;
    writing = writing.then(async () => {
      unwritten = false;
      try {
        await writeFileAtomically(path, peaksText(peaks));
      } catch (thrown) {
        logs.warn('memory', 'what models took cannot be remembered', { why: (thrown as Error).message });
      }
    });
  }

  function learn(model: MeasuredModel, bytes: number): void {
    const next = withPeak(peaks, { ...model, key: keyOf(model.key, model.kind) }, bytes, new Date());
    if (next === undefined) return;
    peaks = next;
    logs.info('memory', 'a model took another amount of memory than was reserved', {
      model: model.model,
      engine: model.engine,
      reservedGb: gib(model.reservedBytes),
      tookGb: gib(bytes),
      differenceGb: gib(bytes - model.reservedBytes),
    });
    save();
  }

  /** In the background: the model's next job does not wait for it. */
  function askFor(model: MeasuredModel, pid: number): void {
    if (gpuBytesOf === undefined) return;
    asking = asking.then(async () => {
      const bytes = await gpuBytesOf(pid);
      if (bytes !== undefined) learn(model, bytes);
    });
  }

  return {
    peakOf: (wanted, kind) => peaks.find(({ key }) => key === keyOf(wanted, kind))?.bytes,
    measured(model, { memoryBytes, rssBytes, holderPid }) {
      const { inRam } = placeOf(model.kind);
      const bytes = memoryBytes ?? (inRam ? rssBytes : undefined);
      if (bytes !== undefined) learn(model, bytes);
      else if (!inRam && holderPid !== undefined) askFor(model, holderPid);
    },
    async [Symbol.asyncDispose]() {
      await asking;
      await writing;
    },
  };
}

async function readPeaks(path: string, logs: Pick<Logs, 'warn'>): Promise<Peaks> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return [];
  }
  try {
    return parsePeaks(text);
  } catch {
    const aside = `${path}.unreadable`;
    logs.warn('memory', 'memory.json cannot be read and was set aside', { path: aside });
    await rename(path, aside).catch(() => {});
    return [];
  }
}

function gib(bytes: number): number {
  return Math.round((bytes / GIB) * 100) / 100;
}
