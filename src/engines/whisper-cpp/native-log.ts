// What the library says while it works: which device it took, how much memory, and why it failed. It says so nowhere else.
import type { Library } from './library.ts';

export type NativeLog = Disposable & {
  /** Everything since the last `clear`. Lines arrive through the event loop, after the call that caused them. */
  readonly lines: readonly string[];
  /** The one that caused those after it. */
  readonly firstError: string | undefined;
  clear(): void;
  /** Called with each error, and replaced by the next. */
  onError: ((line: string) => void) | undefined;
  /** Resolves when what has been said until now has arrived. */
  settled(): Promise<void>;
};

/** A model says some 40 lines when it loads, and a run a few more. */
const LINES_MAX = 400;

export function openNativeLog(library: Library): NativeLog {
  let lines: string[] = [];
  let firstError: string | undefined;
  const log: NativeLog = {
    onError: undefined,
    get lines() {
      return lines;
    },
    get firstError() {
      return firstError;
    },
    clear() {
      lines = [];
      firstError = undefined;
    },
    async settled() {
      // One turn hands over what is queued; the second lets what that queued in turn come too.
      for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    },
    [Symbol.dispose]() {
      library.WhisperContext.toggleNativeLog(false);
    },
  };
  library.WhisperContext.toggleNativeLog(true, (level, text) => {
    const line = text.trim();
    // Pieces of a prompt that the vocabulary does not have; nothing fails by them.
    if (line === '' || line === 'unknown token') return;
    lines.push(line);
    if (lines.length > LINES_MAX) lines.shift();
    if (level !== 'error') return;
    firstError ??= line;
    log.onError?.(line);
  });
  return log;
}

/** How ggml's backends say that memory is full. */
const OUT_OF_MEMORY =
  /failed to alloc|allocation of size \d+ failed|cudaMalloc failed|out ?of ?(device|host)? ?memory/i;

export function saysOutOfMemory(line: string): boolean {
  return OUT_OF_MEMORY.test(line);
}

/** The device that computes, e.g. `CUDA0`; `undefined` when the library found none but the CPU. */
export function gpuInUse(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const name = /: using (\S+) backend$/.exec(line)?.[1];
    // Accelerators of the CPU (BLAS and the like) are announced in the same words.
    if (name && !/^(CPU|BLAS|ACCEL)/i.test(name)) return name;
  }
  return undefined;
}

/** What the library allocated for weights, caches and compute buffers, in bytes. */
export function memoryInUse(lines: readonly string[]): number {
  const sizes = lines.map(
    (line) => /(?:total size|kv \w+ +size|compute buffer \(\w+\)) *= *([\d.]+) MB$/.exec(line)?.[1],
  );
  return Math.round(sizes.reduce((sum, size) => sum + Number(size ?? 0), 0) * 1e6);
}
