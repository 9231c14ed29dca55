// A host whose runs end when and how the test says. The real host has its own tests.
import { Failure, type FailureCode } from '../../../src/protocol/index.ts';
import type { Host, HostJob, JobObserver, JobResult, JobRun, Verdict } from '../../../src/workers/types.ts';

export type ScriptedRun = {
  readonly job: HostJob;
  readonly observer: JobObserver;
  cancelled: { code: FailureCode; reason: string } | undefined;
  json(value: unknown): void;
  /** Writes the bytes as chunks, then ends the run. */
  bytes(ext: string, ...chunks: string[]): Promise<void>;
  fail(error: unknown): void;
};

export type ScriptedHost = Host & {
  verdictNow: Verdict;
  readonly runs: ScriptedRun[];
  /** The latest run of a job. */
  runOf(jobId: string): ScriptedRun;
};

export function scriptedHost(): ScriptedHost {
  const runs: ScriptedRun[] = [];
  return {
    verdictNow: { kind: 'ready' },
    runs,
    runOf(jobId) {
      const run = runs.findLast((each) => each.job.jobId === jobId);
      if (run === undefined) throw new Error(`job ${jobId} did not run`);
      return run;
    },
    engines: [],
    readyEngines: () => [],
    slots: () => ({}),
    models: () => [],
    keyOf: ({ model }) => model,
    loadVerdict: () => ({ kind: 'ready' }),
    load: () => ({ done: Promise.reject(new Failure('ENGINE_UNAVAILABLE', 'no engine here')), cancel() {} }),
    async unload() {},
    setPinned() {},
    memory: () => Promise.reject(new Error('no memory here')),
    changes: new EventTarget(),
    configure() {},
    verdict() {
      return this.verdictNow;
    },
    run(job, observer): JobRun {
      const { promise: done, resolve, reject } = Promise.withResolvers<JobResult>();
      const run: ScriptedRun = {
        job,
        observer,
        cancelled: undefined,
        json: (value) => resolve({ kind: 'json', value }),
        async bytes(ext, ...chunks) {
          let byteLength = 0;
          for (const chunk of chunks) {
            await observer.write(Buffer.from(chunk));
            byteLength += chunk.length;
          }
          resolve({ kind: 'bytes', ext, byteLength });
        },
        fail: reject,
      };
      runs.push(run);
      return {
        done,
        cancel(code, reason) {
          run.cancelled ??= { code, reason };
          reject(new Failure(code, reason));
        },
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}
