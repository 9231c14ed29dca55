// The unfinished jobs, in memory: which are queued, in which order, and who holds which. D1 is the truth behind it; this
// is what makes a decision possible without asking the database first.
import type { TaskKind } from '../../../protocol/index.ts';
import type { JobStatus, Progress } from '../api/job.ts';

/** A job in one worker's hands. A new object for every claim, so that a late answer can tell that it is late. */
export type Claim = {
  workerId: string;
  offeredAt: number;
  acceptedAt?: number;
  /** Since when its worker has been away. */
  lostAt?: number;
  /** Since when it is being cancelled. */
  cancelAt?: number;
  progress?: Progress;
};

export type LiveJob = {
  readonly seq: number;
  readonly id: string;
  readonly kind: TaskKind;
  readonly model: string;
  readonly vramGbEstimate: number;
  attempts: number;
  /** Absent while the job is queued. */
  claim: Claim | undefined;
  readonly refusedBy: Set<string>;
};

export function statusOf(job: LiveJob): JobStatus {
  if (job.claim === undefined) return 'queued';
  return job.claim.cancelAt === undefined ? 'claimed' : 'cancelling';
}

export class JobBook {
  readonly #jobs = new Map<string, LiveJob>();
  /** Sorted by `seq`: the order of creation, which a requeued job keeps. */
  #queue: LiveJob[] = [];
  readonly #held = new Map<string, Set<LiveJob>>();

  get size(): number {
    return this.#jobs.size;
  }

  get(id: string): LiveJob | undefined {
    return this.#jobs.get(id);
  }

  queued(): readonly LiveJob[] {
    return this.#queue;
  }

  heldBy(workerId: string): LiveJob[] {
    return [...(this.#held.get(workerId) ?? [])];
  }

  claimed(): LiveJob[] {
    return [...this.#held.values()].flatMap((jobs) => [...jobs]);
  }

  add(job: LiveJob): void {
    this.#jobs.set(job.id, job);
    if (job.claim === undefined) this.#enqueue(job);
    else this.#hold(job, job.claim);
  }

  claim(job: LiveJob, claim: Claim): void {
    this.#dequeue(job);
    job.claim = claim;
    this.#hold(job, claim);
  }

  requeue(job: LiveJob): void {
    this.#letGo(job);
    job.claim = undefined;
    this.#enqueue(job);
  }

  remove(job: LiveJob): void {
    if (job.claim === undefined) this.#dequeue(job);
    else this.#letGo(job);
    this.#jobs.delete(job.id);
  }

  clear(): void {
    this.#jobs.clear();
    this.#queue = [];
    this.#held.clear();
  }

  #enqueue(job: LiveJob): void {
    // New jobs have the highest number, so the search from the end usually ends at once.
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.seq ?? 0) > job.seq) at -= 1;
    this.#queue.splice(at, 0, job);
  }

  #dequeue(job: LiveJob): void {
    const at = this.#queue.indexOf(job);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  #hold(job: LiveJob, claim: Claim): void {
    const jobs = this.#held.get(claim.workerId) ?? new Set();
    this.#held.set(claim.workerId, jobs.add(job));
  }

  #letGo(job: LiveJob): void {
    const workerId = job.claim?.workerId;
    if (workerId === undefined) return;
    const jobs = this.#held.get(workerId);
    jobs?.delete(job);
    if (jobs?.size === 0) this.#held.delete(workerId);
  }
}
