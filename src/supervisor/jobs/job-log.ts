// How the life of a job reads in the operator's log: one constant message an event, the facts in fields.
import { type Failure, fullPrompt, type JobClaim } from '../../protocol/index.ts';
import { clip } from '../clip.ts';
import type { Logs } from '../logs/logs.ts';
import type { Decision } from './admission.ts';

/** Characters of a prompt that are shown; the whole prompt goes to the studio with the result. */
const PREVIEW_CHARS_MAX = 200;

export function promptPreview(text: string): string {
  return clip(text, PREVIEW_CHARS_MAX);
}

export function logOffer(logs: Logs, claim: JobClaim): void {
  logs.info('job', 'offered', {
    jobId: claim.jobId,
    kind: claim.task.kind,
    model: claim.model,
    engine: claim.modelSource.engine,
    game: claim.gameId,
    asset: claim.assetName,
    vramGb: claim.vramGbEstimate,
  });
}

export function logRejected(logs: Logs, claim: JobClaim, decision: Extract<Decision, { do: 'reject' }>): void {
  logs.info('job', 'rejected', {
    jobId: claim.jobId,
    reason: decision.reason,
    ...(decision.detail === undefined ? {} : { detail: decision.detail }),
    ...(decision.code === undefined ? {} : { code: decision.code }),
  });
}

export function logStarted(logs: Logs, claim: JobClaim): void {
  logs.info('job', 'started', {
    jobId: claim.jobId,
    kind: claim.task.kind,
    model: claim.model,
    prompt: promptPreview(fullPrompt(claim.task)),
  });
}

export function logFinished(logs: Logs, claim: JobClaim, durationMs: number): void {
  logs.info('job', 'finished', {
    jobId: claim.jobId,
    kind: claim.task.kind,
    model: claim.model,
    outcome: 'completed',
    durationMs,
  });
}

export function logFailed(logs: Logs, claim: JobClaim, durationMs: number, failure: Failure): void {
  const level = failure.code === 'CANCELLED' || failure.code === 'SHUTDOWN' ? 'warn' : 'error';
  logs[level]('job', 'failed', {
    jobId: claim.jobId,
    kind: claim.task.kind,
    model: claim.model,
    outcome: failure.code,
    retryable: failure.retryable,
    durationMs,
    err: failure,
  });
}
