// The worker's side of updates: holds jobs back when one is about to be taken, ends the worker for it, and says when this
// worker is healthy. Everything that costs memory is imported later: a start must stay quick.
import { type AdmissionHold, openAdmissionHold } from './admission-hold.ts';
import type { ConfigStore } from './config/store.ts';
import type { Logs } from './logs/logs.ts';
import { pause } from './pause.ts';
import type { Stop } from './stop.ts';
import type { HealthFacts } from './update/health.ts';
import type { Relaunch } from './update/relaunch.ts';

/** What an update has to know of the jobs here. */
export type Work = { busy(): boolean; idle(): Promise<void> };

export type UpdatesOptions = {
  readonly config: ConfigStore;
  readonly logs: Logs;
  readonly stop: Stop;
  readonly version: string;
  /** The file for the verdict when this run is a trial (`STUDIO_WORKER_TRIAL`). */
  readonly trialFile: string | undefined;
  readonly facts: () => HealthFacts;
};

export interface Updates extends AsyncDisposable {
  readonly hold: AdmissionHold;
  /** Once the worker's jobs are there. */
  begin(work: Work): void;
  /** What this process is to become after a clean stop; undefined when it just ends. */
  readonly relaunch: Relaunch | undefined;
}

/** Nothing of an update is urgent, and the first seconds belong to the session. In ms. */
const BEGIN_MS = 3_000;

export function openUpdates(options: UpdatesOptions): Updates {
  const { logs, stop, trialFile } = options;
  const hold = openAdmissionHold();
  // A version on trial gets no work before it has proved itself.
  if (trialFile !== undefined) hold.hold();
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stop.draining]);
  let relaunch: Relaunch | undefined;
  let running = Promise.resolve();

  const work = async (work: Work): Promise<void> => {
    if (trialFile === undefined) await pause(BEGIN_MS, signal);
    const { proveHealth, runUpdates } = await import('./update/run-updates.ts');
    if (trialFile !== undefined) {
      await proveHealth({ ...options, trialFile, signal });
      return stop.request('the trial of this version is over');
    }
    const restart = (target: Relaunch): void => {
      relaunch = target;
      stop.request('update');
    };
    await runUpdates({ ...options, host: { ...work, stopAdmission: hold.hold, restart }, signal });
  };

  return {
    hold,
    begin(jobs) {
      running = work(jobs).catch((err: unknown) => {
        if (!signal.aborted) logs.warn('auto-update', 'updates do not work in this run', { err });
      });
    },
    get relaunch() {
      // Somebody who wants the worker to stop, after the update did, means it.
      return stop.stage === 'draining' ? relaunch : undefined;
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await running;
    },
  };
}
