// The jobs of this worker: takes offers, runs them on the host, puts results into the outbox, reports failures. One job
// runs through here once, whatever happens to the session meanwhile: a dropped session never stops a running job.
import {
  Failure,
  type FailureCode,
  fullPrompt,
  type JobClaim,
  type TaskKind,
  toFailure,
  type WorkerFrame,
} from '../../protocol/index.ts';
import type { Host, JobRun } from '../../workers/types.ts';
import type { Activity } from '../activity/types.ts';
import type { Delivery } from '../delivery/delivery.ts';
import type { Outbox, OutboxMeta, ResultWriter } from '../delivery/outbox.ts';
import type { Logs } from '../logs/logs.ts';
import type { Session, Welcome } from '../session/session.ts';
import { admit, type Decision } from './admission.ts';
import { Breaker } from './breaker.ts';
import { claimDigest } from './claim-digest.ts';
import { logFailed, logFinished, logOffer, logRejected, logStarted } from './job-log.ts';
import { completed, observeJob, previewOf } from './observe-job.ts';
import type { Ask, Turns } from './turns.ts';

/** What may change from one offer to the next. */
export type JobsPolicy = {
  readonly stopping: boolean;
  readonly paused: boolean;
  readonly heldByPresence: boolean;
  readonly thresholdGb: number;
};

export type JobsOptions = {
  readonly host: Host;
  readonly outbox: Outbox;
  readonly delivery: Delivery;
  readonly logs: Logs;
  readonly activity: Activity;
  /** Taken with the jobs of this machine's own programs. */
  readonly turns: Turns;
  readonly policy: () => JobsPolicy;
};

export interface Jobs {
  offered(claim: JobClaim): void;
  cancelled(jobId: string, reason: string | undefined): void;
  /** Settles what the studio still wants; returns the results among them, or `undefined` without `resume`. */
  sessionOpened(session: Session, welcome: Welcome): ReadonlySet<string> | undefined;
  sessionLost(): void;
  /** The studio took note of a failure. */
  failAcknowledged(jobId: string): void;
  /** The studio has the result of this job, so its claim is over. */
  delivered(jobId: string): void;
  /** Reports a job that has run here as failed. */
  fail(jobId: string, code: FailureCode, message: string): void;
  /** Ids of running jobs, the oldest first. */
  running(): string[];
  /** Ids of failures that the studio has not heard of. */
  unreported(): string[];
  /** Stops every running job; they are handed back to the studio as retryable. */
  cancelAll(reason: string): void;
  /** Resolves when no job runs. */
  idle(): Promise<void>;
}

type RunningJob = {
  readonly claim: JobClaim;
  readonly digest: string;
  readonly startedMs: number;
  run: JobRun | undefined;
  /** The studio gave the job to somebody else: nothing is reported any more. */
  unwanted: boolean;
};

/** Failures that wait for a session; the oldest go first. A studio that misses one releases the job by itself. */
const UNREPORTED_MAX = 256;

const GIB = 1024 ** 3;

export function openJobs({ host, outbox, delivery, logs, activity, turns, policy }: JobsOptions): Jobs {
  const jobs = new Map<string, RunningJob>();
  const breaker = new Breaker();
  const unreported = new Map<string, Extract<WorkerFrame, { type: 'fail' }>>();
  const idleWaiters: (() => void)[] = [];
  /** Jobs that the studio holds for this worker in this session. A frame about any other would end the session. */
  let held = new Set<string>();
  let session: Session | undefined;

  const accept = async (jobId: string): Promise<boolean> => {
    held.add(jobId);
    const sent = (await session?.send({ type: 'accept', jobId })) ?? false;
    if (!sent) logs.error('job', 'the accept could not be sent', { jobId });
    return sent;
  };

  const report = (jobId: string, failure: Failure): void => {
    const frame = {
      type: 'fail',
      jobId,
      error: failure.message,
      retryable: failure.retryable,
      code: failure.code.toLowerCase(),
    } as const;
    unreported.set(jobId, frame);
    for (const oldest of unreported.keys()) {
      if (unreported.size <= UNREPORTED_MAX) break;
      unreported.delete(oldest);
    }
    // Given up at once, not when the studio acknowledges it: by then it may have offered the same job again.
    if (held.delete(jobId)) void session?.send(frame);
  };

  const start = (claim: JobClaim, digest: string): void => {
    const { jobId } = claim;
    const job: RunningJob = { claim, digest, startedMs: performance.now(), run: undefined, unwanted: false };
    jobs.set(jobId, job);
    const writer = outbox.writer(jobId);
    // Both in one synchronous step: between a verdict and its run nothing else may take the slot.
    const sent = accept(jobId);
    const over = turns.started('studio', claim.task.kind);
    const holder = () => (held.has(jobId) ? session : undefined);
    const run = host.run({ jobId, ...askOf(claim) }, observeJob(jobId, writer, { activity, logs, session: holder }));
    job.run = run;
    activityStarts(claim);
    logStarted(logs, claim);
    void sent.then((ok) => {
      if (ok) return;
      job.unwanted = true;
      run.cancel('CANCELLED', 'the accept could not be sent');
    });
    void finish(job, run, writer).then(over);
  };

  const activityStarts = ({ jobId, task, model }: JobClaim): void =>
    activity.started({ jobId, kind: task.kind, model, prompt: fullPrompt(task), source: 'studio' });

  const activityFails = (jobId: string, { code, message }: Failure): void =>
    activity.finished(jobId, { status: 'failed', code, reason: message });

  const finish = async (job: RunningJob, run: JobRun, writer: ResultWriter): Promise<void> => {
    const { claim } = job;
    const { jobId, model } = claim;
    const kind: TaskKind = claim.task.kind;
    try {
      const result = await run.done;
      const meta: OutboxMeta = {
        jobId,
        digest: job.digest,
        kind,
        model,
        prompt: fullPrompt(claim.task),
        finishedAtMs: Date.now(),
      };
      const entry =
        result.kind === 'json' ? await outbox.putJson(meta, result.value) : await writer.commit(meta, result.ext);
      breaker.succeeded(kind, model);
      logFinished(logs, claim, durationOf(job));
      // Before the delivery, which removes the file.
      activity.finished(jobId, completed(result), previewOf(claim, entry));
      if (job.unwanted) void outbox.remove(jobId);
      else delivery.add(entry, held.has(jobId));
    } catch (error) {
      await writer.discard();
      const failure = toFailure(error, 'INTERNAL');
      logFailed(logs, claim, durationOf(job), failure);
      activityFails(jobId, failure);
      const restMs = breaker.failed(kind, model, failure.code, Date.now());
      if (restMs !== undefined)
        logs.warn('job', 'model rests after failing several times in a row', { model, kind, restMs });
      if (!job.unwanted) report(jobId, failure);
    } finally {
      jobs.delete(jobId);
      if (jobs.size === 0) for (const wake of idleWaiters.splice(0)) wake();
    }
  };

  /** What the worker's own switches and the host say; only when both would take it, whose turn it is. */
  const decide = (claim: JobClaim): Decision => {
    const facts = {
      ...{ claim, ...policy(), nowMs: Date.now() },
      restingUntilMs: breaker.restingUntilMs(claim.task.kind, claim.model),
    };
    const verdict = host.verdict(askOf(claim));
    const decision = admit({ ...facts, verdict: { kind: 'ready' } });
    if (decision.do !== 'accept') return admit({ ...facts, verdict });
    return admit({ ...facts, verdict: turns.offered(askOf(claim), verdict) });
  };

  /** An offer of a job that is already known here. Returns whether that was the whole answer. */
  const answeredByWhatIsHere = (claim: JobClaim, digest: string): boolean => {
    const { jobId } = claim;
    unreported.delete(jobId);
    const running = jobs.get(jobId);
    if (running !== undefined) {
      if (running.digest === digest && !running.unwanted) {
        logs.info('job', 'offered again while it runs here: accepted, and goes on', { jobId });
        void accept(jobId);
      } else {
        running.unwanted = true;
        running.run?.cancel('CANCELLED', 'the studio replaced this job');
        void session?.send({ type: 'reject', jobId, reason: 'worker already has an in-flight job', code: 'busy' });
      }
      return true;
    }
    if (delivery.answersOffer(jobId, digest)) {
      logs.info('job', 'offered again after it finished here: accepted, delivering the result', { jobId });
      void accept(jobId).then((sent) => {
        if (sent) delivery.deliverOffered(jobId);
      });
      return true;
    }
    delivery.drop(jobId);
    return false;
  };

  return {
    offered(claim) {
      logOffer(logs, claim);
      const { jobId } = claim;
      const digest = claimDigest(claim);
      if (answeredByWhatIsHere(claim, digest)) return;
      const decision = decide(claim);
      if (decision.do === 'accept') return start(claim, digest);
      if (decision.do === 'reject') {
        logRejected(logs, claim, decision);
        const { reason, code } = decision;
        void session?.send({ type: 'reject', jobId, reason, ...(code === undefined ? {} : { code }) });
        return;
      }
      void accept(jobId).then((sent) => {
        const failure = new Failure(decision.code, decision.message);
        activityStarts(claim);
        activityFails(jobId, failure);
        logFailed(logs, claim, 0, failure);
        if (sent) report(jobId, failure);
      });
    },
    cancelled(jobId, reason) {
      const job = jobs.get(jobId);
      logs.info('job', 'cancelled by the studio', { jobId, running: job !== undefined, reason: reason ?? '' });
      if (job !== undefined) return job.run?.cancel('CANCELLED', reason ?? 'cancelled by the studio');
      if (!delivery.pending().includes(jobId)) return;
      // It finished here before the cancel came: the studio is told, and the result goes.
      delivery.drop(jobId);
      report(jobId, new Failure('CANCELLED', reason ?? 'cancelled by the studio'));
    },
    sessionOpened(opened, welcome) {
      session = opened;
      if (!opened.features.has('resume')) {
        // Such a studio released every claim when the last session ended. Running jobs go on: it may offer them again.
        held = new Set();
        unreported.clear();
        return undefined;
      }
      held = new Set(welcome.resumed);
      for (const [jobId, job] of jobs) {
        if (held.has(jobId) || job.unwanted) continue;
        logs.warn('job', 'the studio no longer wants this job, stopping it', { jobId });
        job.unwanted = true;
        job.run?.cancel('CANCELLED', 'the studio no longer wants this job');
      }
      for (const [jobId, frame] of unreported) {
        if (held.delete(jobId)) void opened.send(frame);
        else unreported.delete(jobId);
      }
      return held;
    },
    sessionLost() {
      turns.forgetOffers();
      session = undefined;
      held = new Set();
    },
    failAcknowledged(jobId) {
      unreported.delete(jobId);
    },
    delivered(jobId) {
      held.delete(jobId);
    },
    fail: (jobId, code, message) => report(jobId, new Failure(code, message)),
    running: () => [...jobs.keys()],
    unreported: () => [...unreported.keys()],
    cancelAll(reason) {
      for (const job of jobs.values()) job.run?.cancel('SHUTDOWN', reason);
    },
    idle: () => (jobs.size === 0 ? Promise.resolve() : new Promise((wake) => idleWaiters.push(wake))),
  };
}

function askOf({ model, modelSource, task, vramGbEstimate }: JobClaim): Ask {
  return { model, source: modelSource, task, vramBytes: Math.ceil(vramGbEstimate * GIB) };
}

function durationOf(job: RunningJob): number {
  return Math.round(performance.now() - job.startedMs);
}
