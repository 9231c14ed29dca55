// One local job while it runs: starts it on the host, gathers its result, and tells activity and log what becomes of it.
// Log entries go to the studio, so nothing of what the job is about may stand in them: no prompt, no message of an engine.
import { type Failure, toFailure } from '../../protocol/index.ts';
import type { Host, JobObserver, JobResult } from '../../workers/types.ts';
import { tokensOf } from '../activity/tokens-of.ts';
import type { Activity, JobEnd, Preview } from '../activity/types.ts';
import type { Ask } from '../jobs/turns.ts';
import type { Logs } from '../logs/logs.ts';
import { type Collector, openCollector } from './collect.ts';
import { isListed, promptOf } from './prompt-of.ts';
import type { LocalRequest, LocalResult } from './types.ts';

export type RunParts = { readonly host: Host; readonly activity: Activity; readonly logs: Logs };

export type LocalRun = {
  readonly jobId: string;
  /** Rejects with a `Failure`. */
  readonly done: Promise<LocalResult>;
  /** Resolves when its place is free, whatever came of it. */
  readonly over: Promise<void>;
  /** Stops it; after the end it does nothing. */
  cancel(failure: Failure): void;
};

let count = 0;

/** Call it in one step with the host's verdict. */
export function startRun(
  request: LocalRequest,
  ask: Ask,
  waitedMs: number,
  { host, activity, logs }: RunParts,
): LocalRun {
  const { kind } = ask.task;
  const { model } = ask;
  count += 1;
  const jobId = `local-${Date.now()}-${count}`;
  const isLoaded = host.models().some((each) => each.model === model && each.pool === kind && each.state === 'loaded');
  const source = request.source ?? (isLoaded ? 'lane' : 'local');
  const startedMs = performance.now();
  const collector = openCollector();
  let cancelled: Failure | undefined;

  const listed = isListed(ask.task);
  if (listed) activity.started({ jobId, kind, model, prompt: promptOf(ask.task), source, waitedMs });
  if (listed) logs.info('job', 'started', { jobId, kind, model, source });
  const hostRun = host.run(
    { jobId, ...ask, keepAliveMs: request.keepAliveMs },
    observe(request, jobId, collector, listed ? activity : undefined),
  );
  request.observer?.started?.(jobId);

  async function finish(): Promise<LocalResult> {
    try {
      const result = resultOf(await hostRun.done, collector);
      note({ status: 'completed', ...tokensIn(result) }, previewOf(result, kind));
      return { jobId, result };
    } catch (thrown) {
      const failure = cancelled ?? toFailure(thrown, 'INTERNAL');
      note({ status: 'failed', code: failure.code, reason: failure.message });
      throw failure;
    }
  }

  function note(end: JobEnd, preview?: Preview): void {
    if (!listed) return;
    activity.finished(jobId, end, preview);
    const outcome = end.status === 'completed' ? 'completed' : end.code;
    const durationMs = Math.round(performance.now() - startedMs);
    logs[outcome === 'completed' ? 'info' : 'warn']('job', end.status === 'completed' ? 'finished' : 'failed', {
      ...{ jobId, kind, model, source, outcome, durationMs },
    });
  }

  const done = finish();
  return {
    jobId,
    done,
    over: done.then(
      () => {},
      () => {},
    ),
    cancel(failure) {
      cancelled ??= failure;
      hostRun.cancel(failure.code === 'SHUTDOWN' ? 'SHUTDOWN' : 'CANCELLED', failure.message);
    },
  };
}

function observe(
  request: LocalRequest,
  jobId: string,
  collector: Collector,
  activity: Activity | undefined,
): JobObserver {
  const { observer } = request;
  return {
    phase: (phase) => activity?.phase(jobId, phase),
    loadProgress: (ratio) => activity?.progress(jobId, { ratio }),
    progress(progress) {
      activity?.progress(jobId, progress);
      observer?.progress?.(progress);
    },
    token: (text) => observer?.token?.(text),
    reasoning: (text) => observer?.reasoning?.(text),
    log: (level, message) => activity?.log(jobId, level, 'engine', message),
    async write(chunk) {
      collector.add(chunk);
    },
  };
}

function resultOf(result: JobResult, collector: Collector): LocalResult['result'] {
  if (result.kind === 'json') return { kind: 'json', value: result.value };
  return { kind: 'bytes', ext: result.ext, bytes: collector.bytes() };
}

function tokensIn(result: LocalResult['result']): Pick<Extract<JobEnd, { status: 'completed' }>, 'tokens'> {
  const tokens = result.kind === 'json' ? tokensOf(result.value) : undefined;
  return tokens === undefined ? {} : { tokens };
}

function previewOf(result: LocalResult['result'], kind: string): Preview | undefined {
  if (result.kind === 'json' || (kind !== 'image' && kind !== 'video')) return undefined;
  return { ext: result.ext, bytes: result.bytes };
}
