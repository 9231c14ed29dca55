// One run of the native library, guarded. Its promise is not to be trusted: after `stop()` and after an error it never
// settles at all, a callback that throws blocks every later run, and two runs at once read each other's segments. So
// runs take turns, callbacks never throw, and where the promise may be silent something else says that the run is over.
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../protocol/failure.ts';
import type { NativeContext, NativeOptions, NativeResult } from './library.ts';
import { type NativeLog, saysOutOfMemory } from './native-log.ts';

export type NativeRunner = {
  /** Rejects with the signal's reason only once the library has really ended, so that the next run is not held up. */
  run(samples: Int16Array, options: NativeOptions, signal: AbortSignal): Promise<NativeResult>;
};

/** Too short to be transcribed, so it is answered as soon as the library gets to it. */
const FENCE_SAMPLES = 160;
/** An error line is the library's last word on a run of parakeet; the rest of the run takes no time. */
const LAST_WORD_MS = 1_000;
/** Errors that end a run. Others are complaints about the input, after which it goes on. */
const FATAL = /failed to (encode|decode|eval|compute|init)/i;

export function openNativeRunner(kind: 'whisper' | 'parakeet', context: NativeContext, log: NativeLog): NativeRunner {
  const takeTurn = openTurns();

  /** Queued behind the current run, which holds the library's lock until it has ended. */
  async function fence(): Promise<void> {
    const { promise } = context.transcribeData(new ArrayBuffer(2 * FENCE_SAMPLES), { maxThreads: 1, language: 'en' });
    await promise;
  }

  async function runNow(samples: Int16Array, options: NativeOptions, signal: AbortSignal): Promise<NativeResult> {
    signal.throwIfAborted();
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    // Whoever loses the race below must not be reported as nobody's.
    failed.catch(() => {});
    const job = context.transcribeData(bufferOf(samples), quiet(options));
    const ended = kind === 'whisper' ? fence : () => Promise.race([job.promise.catch(() => {}), sleep(LAST_WORD_MS)]);
    let error: Failure | undefined;
    log.onError = (line) => {
      const full = saysOutOfMemory(line);
      if (!full && !FATAL.test(line)) return;
      error ??= new Failure(full ? 'VRAM_EXHAUSTED' : 'ENGINE_FAILED', `whisper-cpp failed: ${line}`);
      void ended().then(
        () => fail(error),
        () => fail(error),
      );
    };
    const abort = async () => {
      // It only sets a flag, which whisper (parakeet does) looks at when the whole run is over. Whoever cancels waits
      // for that as long as the worker's grace lasts; then the process is ended.
      await job.stop();
      await (kind === 'whisper' ? fence() : job.promise).catch(() => {});
      fail(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const result = await Promise.race([job.promise, failed]);
      await log.settled();
      // A fence that was sent for an error has overwritten the segments of a run that went on all the same.
      if (error) throw error;
      signal.throwIfAborted();
      return result;
    } finally {
      signal.removeEventListener('abort', abort);
      log.onError = undefined;
    }
  }

  return {
    run: (samples, options, signal) => takeTurn(signal, () => runNow(samples, options, signal)),
  };
}

function quiet({ onProgress, onNewSegments, ...rest }: NativeOptions): NativeOptions {
  return {
    ...rest,
    ...(onProgress && { onProgress: (percent) => void attempt(() => onProgress(percent)) }),
    ...(onNewSegments && { onNewSegments: (found) => void attempt(() => onNewSegments(found)) }),
  };
}

/** What a listener throws is lost on purpose: the run's own end tells the rest. */
function attempt(call: () => void): void {
  try {
    call();
  } catch {}
}

/** The library copies what it is given, so a buffer that holds nothing else is given as it is. */
function bufferOf(samples: Int16Array): ArrayBuffer {
  const { buffer } = samples;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === samples.byteLength) return buffer;
  return new Int16Array(samples).buffer;
}

/** First come, first served. Whoever is told to stop while waiting leaves at once, and the others keep their order. */
function openTurns(): <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T> {
  let last: Promise<void> = Promise.resolve();
  return async (signal, work) => {
    const before = last;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    last = before.then(() => done);
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      resolve();
    }
  };
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  await Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}
