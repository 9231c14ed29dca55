// Whether a model can have the memory that it needs, now or once others have gone. Pure. The host's ledger and what is
// free on the device are both asked: other programs use the same device, and estimates are wrong.
import type { TaskKind } from '../../protocol/index.ts';
import type { LoadedModelInfo, MemoryView, Verdict } from '../../workers/types.ts';
import { ModelError } from './types.ts';

const GIB = 1024 ** 3;

export type MemoryQuestion = {
  readonly id: string;
  readonly kind: TaskKind;
  readonly estimateBytes: number;
  /** Of the load without a job. */
  readonly verdict: Verdict;
  readonly memory: MemoryView;
  readonly models: readonly LoadedModelInfo[];
  /** Keys of models that leave for this one, since they share its group. */
  readonly leaving: ReadonlySet<string>;
  /** Waits for models at work. Otherwise only those count that could be sent away at once. */
  readonly patient: boolean;
};

/** Undefined when it fits. */
export function memoryRefusal(question: MemoryQuestion): ModelError | undefined {
  const { verdict, memory, estimateBytes } = question;
  if (verdict.kind === 'never') {
    if (verdict.code !== 'MODEL_TOO_LARGE') return undefined;
    const allowed = Math.min(memory.deviceBytes, memory.pools[question.kind].budgetBytes);
    return refusal(question, { needed: estimateBytes, free: allowed, why: verdict.why });
  }
  const needed = verdict.kind === 'busy' ? (verdict.memory?.neededBytes ?? estimateBytes) : estimateBytes;
  if (verdict.kind === 'busy' && verdict.memory !== undefined) {
    const free = promisable(question);
    if (needed > free) {
      return refusal(question, {
        needed,
        free,
        why: `${verdict.why}; unload a model, or raise the budget of its pool`,
      });
    }
  }
  // One of which nobody has said what it takes is loaded to find that out.
  if (memory.freeBytes === undefined || needed === 0) return undefined;
  const free = memory.freeBytes + sum(question.models.filter((model) => canLeave(model, question)).map(heldBytes));
  if (needed <= free - memory.marginBytes) return undefined;
  const why = 'other programs use the device, or earlier estimates were too small; close them, or unload a model';
  return refusal(question, { needed, free, why });
}

/** What the ledger could give it, in its pool and on the device. */
function promisable(question: MemoryQuestion): number {
  const { memory, kind, models } = question;
  const { budgetBytes, reservedBytes } = memory.pools[kind];
  // What is leaving already has no promise any more.
  const going = models.filter((model) => model.state !== 'unloading' && canLeave(model, question));
  const device = memory.deviceBytes - memory.reservedBytes + sum(going.map(({ bytes }) => bytes));
  const own = going.filter(({ pool }) => pool === kind);
  return Math.max(0, Math.min(device, budgetBytes - reservedBytes + sum(own.map(({ bytes }) => bytes))));
}

function canLeave(model: LoadedModelInfo, { leaving, patient, memory }: MemoryQuestion): boolean {
  // On another GPU, or in RAM.
  if (!memory.sharedBy.includes(model.pool)) return false;
  if (model.state === 'unloading' || leaving.has(model.key)) return true;
  return !model.pinned && (patient || (model.state === 'loaded' && model.runs === 0));
}

/** Nothing yet while its files are fetched. */
function heldBytes({ state, memoryBytes, bytes }: LoadedModelInfo): number {
  return state === 'fetching' ? 0 : (memoryBytes ?? bytes);
}

function refusal(
  { id, memory: { marginBytes } }: MemoryQuestion,
  { needed, free, why }: { needed: number; free: number; why: string },
): ModelError {
  const details = { neededGib: gib(needed), freeGib: gib(free), marginGib: gib(marginBytes) };
  const amounts = `needs ${details.neededGib} GiB, ${details.freeGib} GiB can be had`;
  return new ModelError('insufficient_memory', 409, `model \`${id}\` ${amounts}: ${why}`, { details });
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, each) => all + each, 0);
}

function gib(bytes: number): number {
  return Math.round((bytes / GIB) * 100) / 100;
}
