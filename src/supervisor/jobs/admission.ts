// Whether an offered job is taken. Pure: what is so goes in, a decision comes out.
import type { FailureCode, JobClaim, RejectCode } from '../../protocol/index.ts';
import type { Verdict } from '../../workers/types.ts';

export type AdmissionFacts = {
  readonly claim: Pick<JobClaim, 'model' | 'vramGbEstimate'>;
  /** The worker takes no new jobs because it is on its way out. */
  readonly stopping: boolean;
  /** The operator paused this worker (`studio-worker disable`). */
  readonly paused: boolean;
  /** The person at this machine is using it, and the operator asked for it to work only when idle. */
  readonly heldByPresence: boolean;
  readonly thresholdGb: number;
  /** Until when this model rests after failing several times in a row; milliseconds since the epoch. */
  readonly restingUntilMs: number | undefined;
  readonly nowMs: number;
  readonly verdict: Verdict;
};

export type Decision =
  | { readonly do: 'accept' }
  /** Without a code the studio offers the job to somebody else; with one it comes back later. */
  | { readonly do: 'reject'; readonly reason: string; readonly code?: RejectCode; readonly detail?: string }
  /** Accept, then fail at once: no worker of this make could ever do it, so it must not be offered again. */
  | { readonly do: 'fail'; readonly code: FailureCode; readonly message: string };

export function admit(facts: AdmissionFacts): Decision {
  if (facts.stopping) return { do: 'reject', reason: 'worker is stopping', code: 'paused' };
  if (facts.paused) return { do: 'reject', reason: 'worker paused by operator', code: 'paused' };
  if (facts.heldByPresence) {
    return { do: 'reject', reason: 'only when idle: the person is using this computer', code: 'paused' };
  }
  if (facts.claim.vramGbEstimate > facts.thresholdGb) {
    const { vramGbEstimate } = facts.claim;
    return {
      do: 'reject',
      reason: `the job needs ${vramGbEstimate} GB, this worker's threshold is ${facts.thresholdGb} GB`,
    };
  }
  const { verdict } = facts;
  if (verdict.kind === 'never') {
    // Too large for this machine is not too large for every machine; an absent engine is somebody's mistake.
    return verdict.code === 'MODEL_TOO_LARGE'
      ? { do: 'reject', reason: verdict.why }
      : { do: 'fail', code: verdict.code, message: verdict.why };
  }
  if (facts.restingUntilMs !== undefined && facts.restingUntilMs > facts.nowMs) {
    const seconds = Math.ceil((facts.restingUntilMs - facts.nowMs) / 1000);
    const detail = `model ${facts.claim.model} failed several times in a row and rests for ${seconds} s`;
    return { do: 'reject', reason: detail, code: 'busy', detail };
  }
  if (verdict.kind === 'busy') {
    // The wire knows one text for "no room now"; which room is missing is for the operator's log.
    return { do: 'reject', reason: 'worker already has an in-flight job', code: 'busy', detail: verdict.why };
  }
  return { do: 'accept' };
}
