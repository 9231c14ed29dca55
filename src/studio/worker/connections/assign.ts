// Who gets which job. Pure: it sees the queue and the workers, and answers with pairs.
import type { TaskKind } from '../../../protocol/index.ts';
import type { LiveJob } from './job-book.ts';
import type { Offering } from './session.ts';

/** A welcomed worker, as selection sees it. `holding` counts its claims by kind. */
export type Candidate = {
  workerId: string;
  connectedAt: number;
  multiOffer: boolean;
  offering: Offering;
  resting: ReadonlySet<TaskKind>;
  holding: Partial<Record<TaskKind, number>>;
};

export type Assignment = { job: LiveJob; workerId: string };

/** Jobs in the order of the queue, each to the earliest connected worker that may and can take it. */
export function assign(queue: readonly LiveJob[], candidates: Candidate[]): Assignment[] {
  const open = candidates.filter(mayWork).toSorted((a, b) => a.connectedAt - b.connectedAt);
  let free = open.map((candidate) => ({ candidate, room: roomOf(candidate) })).filter(({ room }) => room.size > 0);
  const assignments: Assignment[] = [];
  for (const job of queue) {
    if (free.length === 0) break;
    const taker = free.find(({ candidate, room }) => room.has(job.kind) && suits(job, candidate));
    if (taker === undefined) continue;
    assignments.push({ job, workerId: taker.candidate.workerId });
    take(taker.candidate, taker.room, job.kind);
    free = free.filter(({ room }) => room.size > 0);
  }
  return assignments;
}

function mayWork({ offering }: Candidate): boolean {
  return offering.autoEnabled && (!offering.onlyWhenIdle || offering.idle);
}

function suits(job: LiveJob, { workerId, offering }: Candidate): boolean {
  return offering.vramThresholdGb >= job.vramGbEstimate && !job.refusedBy.has(workerId);
}

/** How many more jobs of each kind the worker can be offered; kinds without room are left out. */
function roomOf(candidate: Candidate): Map<TaskKind, number> {
  const { offering, holding, multiOffer, resting } = candidate;
  const busy = Object.values(holding).some((count) => count > 0);
  const room = new Map<TaskKind, number>();
  for (const kind of offering.taskKinds) {
    if (resting.has(kind)) continue;
    // Without `multi-offer` a worker has one slot in all, and refuses a second offer.
    const slots = multiOffer ? (offering.slots[kind] ?? 1) - (holding[kind] ?? 0) : busy ? 0 : 1;
    if (slots > 0) room.set(kind, slots);
  }
  return room;
}

function take(candidate: Candidate, room: Map<TaskKind, number>, kind: TaskKind): void {
  if (!candidate.multiOffer) {
    room.clear();
    return;
  }
  const left = (room.get(kind) ?? 0) - 1;
  if (left > 0) room.set(kind, left);
  else room.delete(kind);
}
