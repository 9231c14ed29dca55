// How the worker stops. Stopping is finishing first: the first signal lets running jobs end, the second hands them back,
// the third leaves at once.
//
//   running ─1st→ draining ─2nd, or the grace is over→ cancelling ─3rd→ (the process is gone)

export type StopStage = 'running' | 'draining' | 'cancelling' | 'leaving';

const NEXT: Readonly<Record<StopStage, StopStage>> = {
  running: 'draining',
  draining: 'cancelling',
  cancelling: 'leaving',
  leaving: 'leaving',
};

/** Pure: the stage after one more request to stop. */
export function nextStage(stage: StopStage): StopStage {
  return NEXT[stage];
}

export interface Stop {
  readonly stage: StopStage;
  /** Aborts when the worker begins to drain. */
  readonly draining: AbortSignal;
  /** Aborts when running jobs are to be handed back. */
  readonly cancelling: AbortSignal;
  /** One request to stop, from a signal or from the worker itself. */
  request(why: string): void;
  /** Stops listening to signals. */
  [Symbol.dispose](): void;
}

/** A closed terminal (SIGHUP) and Ctrl-Break on Windows mean the same as Ctrl-C. */
const SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  ...(process.platform === 'win32' ? (['SIGBREAK'] as const) : []),
] as const;

export function listenForStop(onStage: (stage: StopStage, why: string) => void): Stop {
  const draining = new AbortController();
  const cancelling = new AbortController();
  let stage: StopStage = 'running';
  const request = (why: string): void => {
    stage = nextStage(stage);
    onStage(stage, why);
    draining.abort();
    if (stage !== 'draining') cancelling.abort();
  };
  for (const signal of SIGNALS) process.on(signal, request);
  return {
    get stage() {
      return stage;
    },
    draining: draining.signal,
    cancelling: cancelling.signal,
    request,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, request);
    },
  };
}
