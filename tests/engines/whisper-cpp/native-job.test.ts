// The guards around the native library's promise, with a library that misbehaves on command: an error in the middle of
// a run cannot be had from the real one without a broken GPU.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NativeContext, NativeOptions, NativeResult } from '../../../src/engines/whisper-cpp/library.ts';
import { openNativeRunner } from '../../../src/engines/whisper-cpp/native-job.ts';
import type { NativeLog } from '../../../src/engines/whisper-cpp/native-log.ts';

type Job = { samples: number; options: NativeOptions; stopped: boolean; answer(result?: Partial<NativeResult>): void };

/** Jobs are answered by the test, the fence when all before it are over, as the library's lock has it. */
function scriptedContext() {
  const jobs: Job[] = [];
  const waiting: ((job: Job) => void)[] = [];
  const context: NativeContext = {
    transcribeData(samples, options) {
      const { promise, resolve } = Promise.withResolvers<NativeResult>();
      const job: Job = {
        samples: samples.byteLength / 2,
        options,
        stopped: false,
        answer: (result = {}) => resolve({ result: '', segments: [], ...result }),
      };
      jobs.push(job);
      waiting.shift()?.(job);
      return {
        promise,
        async stop() {
          job.stopped = true;
        },
      };
    },
    async release() {},
  };
  const next = () => new Promise<Job>((resolve) => waiting.push(resolve));
  return { context, jobs, next };
}

function scriptedLog(): NativeLog {
  return {
    lines: [],
    firstError: undefined,
    onError: undefined,
    clear() {},
    async settled() {},
    [Symbol.dispose]() {},
  };
}

const SOUND = new Int16Array(16_000);
const never = new AbortController().signal;

describe('a run of the native library', () => {
  test('that reports an error and then never answers is a failure, once the library is free again', async () => {
    const { context, next } = scriptedContext();
    const log = scriptedLog();
    const runner = openNativeRunner('whisper', context, log);
    const started = next();
    const run = runner.run(SOUND, { maxThreads: 1 }, never);
    await started;
    log.onError?.('whisper_tokenize: too many resulting tokens: 9 (max 8)');
    const fence = next();
    log.onError?.('whisper_full_with_state: failed to encode');
    (await fence).answer();
    await assert.rejects(run, { code: 'ENGINE_FAILED', retryable: true, message: /failed to encode/ });
    assert.equal(log.onError, undefined);
  });

  test('that answers after an error is not believed, since the fence has overwritten its segments', async () => {
    const { context, next } = scriptedContext();
    const log = scriptedLog();
    const runner = openNativeRunner('whisper', context, log);
    const started = next();
    const run = runner.run(SOUND, { maxThreads: 1 }, never);
    const job = await started;
    log.onError?.('failed to decode');
    job.answer({ result: 'half' });
    await assert.rejects(run, { code: 'ENGINE_FAILED' });
  });

  test('that is cancelled ends when the library has, although its promise stays silent', async () => {
    const { context, next } = scriptedContext();
    const runner = openNativeRunner('whisper', context, scriptedLog());
    const controller = new AbortController();
    const started = next();
    let ended = false;
    const run = runner.run(SOUND, { maxThreads: 1 }, controller.signal).finally(() => {
      ended = true;
    });
    const job = await started;
    const fenced = next();
    controller.abort(new Error('stop'));
    const fence = await fenced;
    assert.deepEqual([job.stopped, ended, fence.samples], [true, false, 160]);
    fence.answer();
    await assert.rejects(run, /stop/);

    const after = next();
    const again = runner.run(SOUND, { maxThreads: 1 }, never);
    (await after).answer({ result: 'again' });
    assert.equal((await again).result, 'again');
  });

  test('of parakeet answers after a stop, and needs no fence', async () => {
    const { context, next, jobs } = scriptedContext();
    const runner = openNativeRunner('parakeet', context, scriptedLog());
    const controller = new AbortController();
    const started = next();
    const run = runner.run(SOUND, { maxThreads: 1 }, controller.signal);
    const job = await started;
    controller.abort(new Error('stop'));
    job.answer();
    await assert.rejects(run, /stop/);
    assert.equal(jobs.length, 1);
  });

  test('survives listeners that throw, and waits for the run before it', async () => {
    const { context, next, jobs } = scriptedContext();
    const runner = openNativeRunner('whisper', context, scriptedLog());
    const boom = () => {
      throw new Error('broken listener');
    };
    const started = next();
    const first = runner.run(SOUND, { maxThreads: 1, onProgress: boom, onNewSegments: boom }, never);
    const second = runner.run(SOUND, { maxThreads: 1 }, never);
    const job = await started;
    assert.equal(jobs.length, 1);
    job.options.onProgress?.(10);
    job.options.onNewSegments?.({ nNew: 1, result: 'x' });
    const follower = next();
    job.answer({ result: 'first' });
    assert.equal((await first).result, 'first');
    (await follower).answer({ result: 'second' });
    assert.equal((await second).result, 'second');
  });
});
