// Whether a job can start, and in which words it is refused. Pure: the host looks at its pools and its ledger, and this
// file says what that means.
import type { EngineDescriptor } from '../engines/engine.ts';
import type { TaskKind } from '../protocol/index.ts';
import type { Decision, Limit } from './ledger.ts';
import type { HostJob, Verdict } from './types.ts';

type Never = Extract<Verdict, { kind: 'never' }>;
export type AskedJob = Pick<HostJob, 'model' | 'source' | 'vramBytes'> & {
  readonly task: { readonly kind: TaskKind; readonly operation?: string };
};

/** Ids that upstream's workers know and this one does not, with what serves the purpose here. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  [
    'parakeet',
    'it runs ONNX exports in the layout of parakeet-rs; for live speech use `sherpa-stream` with an export of the same model for sherpa-onnx, for recordings also `whisper-cpp` with a GGML one',
  ],
]);

/** The engine of a job, or why this worker will never have one. Nothing falls back to another engine. */
export function engineFor(engines: readonly EngineDescriptor[], job: AskedJob): EngineDescriptor | Never {
  const { engine: id } = job.source;
  const { kind } = job.task;
  const engine = engines.find((one) => one.id === id);
  if (!engine) {
    const have = engines.map((one) => one.id).join(', ');
    const instead = ELSEWHERE.get(id);
    const why = `engine \`${id}\` is not part of this worker; it has: ${have}`;
    return never('ENGINE_UNAVAILABLE', instead === undefined ? why : `${why}; ${instead}`);
  }
  if (!engine.kinds.includes(kind)) return never('KIND_UNSUPPORTED', `${id} engine cannot serve ${kind} tasks`);
  const { operation } = job.task;
  if (operation === 'stream' && !engine.streams) {
    return never('KIND_UNSUPPORTED', `${id} engine cannot serve live speech`);
  }
  if (operation !== undefined && operation !== 'stream' && !engine.llmRequests) {
    return never('KIND_UNSUPPORTED', `${id} engine does not do \`${operation}\``);
  }
  if (!serves(engine, kind, job.model)) {
    const have = engine.models[kind]?.join(', ');
    return never('MODEL_INVALID', `${id} engine has no model \`${job.model}\` for ${kind} tasks; it has: ${have}`);
  }
  return engine;
}

/** An engine that lists its models without a wildcard has exactly those: that is what keeps `synthetic` to itself. */
function serves(engine: EngineDescriptor, kind: TaskKind, model: string): boolean {
  const models = engine.models[kind];
  return !models || models.includes(`${engine.id}:*`) || models.includes(model);
}

/**
 * What the host sees: no free place in the pool, a place on a thread that holds the model, or a place where the model
 * must be loaded first, with the ledger's word on its memory.
 */
export type Place =
  | { readonly kind: 'none'; readonly threads: number; readonly concurrency: number }
  | { readonly kind: 'warm' }
  | { readonly kind: 'cold' };

/** `marginBytes`: what the device keeps free beside its budget. */
export function judgePlace(job: AskedJob, place: Place, decision: Decision, marginBytes = 0): Verdict {
  const { kind } = job.task;
  if (place.kind === 'warm') return { kind: 'ready' };
  // A job that can never fit is told so at once, however busy the pool is.
  if (decision.kind === 'never') {
    const allowed = gib(decision.allowedBytes);
    const may = `${whatIs(decision.limit, kind)} may use ${allowed}`;
    return never('MODEL_TOO_LARGE', `model \`${job.model}\` needs ${gib(job.vramBytes)}, ${may}`);
  }
  if (place.kind === 'none') {
    const { threads, concurrency } = place;
    const each = concurrency > 1 ? ` for up to ${concurrency} jobs each` : '';
    return { kind: 'busy', why: `no free place in the ${kind} pool (${threads} thread${s(threads)}${each})` };
  }
  if (decision.kind === 'wait') {
    const { limit } = decision;
    const need = `needs ${gib(job.vramBytes)}, ${gib(decision.freeBytes)} free ${whereIn(limit, kind)}`;
    const margin = limit === 'pool' || limit === 'ram' ? 0 : marginBytes;
    const memory = { neededBytes: job.vramBytes, freeBytes: decision.freeBytes + margin, marginBytes: margin };
    return { kind: 'busy', why: `memory is held by models at work: ${need}`, memory };
  }
  return { kind: 'ready' };
}

function whatIs(limit: Limit, kind: TaskKind): string {
  if (typeof limit === 'number') return `GPU ${limit}`;
  return limit === 'pool' ? `the ${kind} pool` : limit === 'ram' ? 'the CPU' : 'this device';
}

function whereIn(limit: Limit, kind: TaskKind): string {
  if (typeof limit === 'number') return `on GPU ${limit}`;
  return limit === 'pool' ? `in the ${kind} pool` : limit === 'ram' ? 'in RAM' : 'on the device';
}

/** One decimal is what operators type in `set-threshold`; two keep a small difference visible. */
export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2).replace(/0$/, '')} GiB`;
}

function s(count: number): string {
  return count === 1 ? '' : 's';
}

function never(code: Never['code'], why: string): Never {
  return { kind: 'never', code, why };
}
