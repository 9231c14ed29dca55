// One job for a caller that waits: picks the model, has it loaded, queues the job and runs it. A cold model is never a
// reason to refuse; a caller that waited long for it is told how far it is, and the load goes on.
import type { TaskKind } from '../../protocol/index.ts';
import { Failure } from '../../protocol/index.ts';
import type { LocalObserver, LocalRequest, LocalResult } from '../local/types.ts';
import type { CatalogueEntry, Models } from '../models/types.ts';
import type { ApiParts } from './parts.ts';
import { ApiError } from './problem.ts';

/** How long a caller waits for a model that is being loaded, in ms; the number. Clients time out soon after. */
const LOAD_WAIT_MS = 60_000;
/** When nothing is known of how long a load still takes, in s. */
const RETRY_SECS = 5;
const RETRY_SECS_MAX = 60;

export type ModelTemperature = 'warm' | 'cold';

export type Wanted = {
  readonly kind: TaskKind;
  /** Default: the first enabled model of the kind. */
  readonly model?: string | undefined;
  readonly task: (entry: CatalogueEntry) => LocalRequest['task'];
  /** From now; how long the caller waits, in ms. */
  readonly deadlineMs?: number | undefined;
  readonly keepAliveMs?: number | undefined;
  readonly signal: AbortSignal;
  readonly observer?: LocalObserver;
  /** Called once the model is loaded: whether it already was. */
  readonly loaded?: (temperature: ModelTemperature) => void;
};

export type Ran = LocalResult & { readonly temperature: ModelTemperature; readonly entry: CatalogueEntry };

export type RunParts = Pick<ApiParts, 'models' | 'localJobs'> & { readonly loadWaitMs?: number | undefined };

/** Rejects with a `ModelError`, a `Failure` or an `ApiError`. */
export async function runLocal(parts: RunParts, wanted: Wanted): Promise<Ran> {
  const startedMs = performance.now();
  const { signal, deadlineMs, keepAliveMs, observer } = wanted;
  const entry = parts.models.pick(wanted.kind, wanted.model);
  const task = wanted.task(entry);
  const temperature = await loadedModel(parts, entry.id, signal, deadlineMs);
  wanted.loaded?.(temperature);
  const result = await parts.localJobs.run({
    ...{ entry, task, signal },
    ...(deadlineMs !== undefined && { deadlineMs: Math.max(0, deadlineMs - (performance.now() - startedMs)) }),
    ...(keepAliveMs !== undefined && { keepAliveMs }),
    ...(observer && { observer }),
  });
  return { ...result, temperature, entry };
}

async function loadedModel(
  { models, loadWaitMs = LOAD_WAIT_MS }: RunParts,
  id: string,
  signal: AbortSignal,
  deadlineMs = Number.POSITIVE_INFINITY,
): Promise<ModelTemperature> {
  const patience = AbortSignal.timeout(Math.floor(Math.min(loadWaitMs, Math.max(0, deadlineMs))));
  try {
    const { wasLoaded } = await models.ready(id, AbortSignal.any([signal, patience]));
    return wasLoaded ? 'warm' : 'cold';
  } catch (thrown) {
    if (signal.aborted) throw new Failure('CANCELLED', 'the client has gone', { cause: thrown });
    if (!patience.aborted) throw thrown;
    if (deadlineMs <= loadWaitMs) throw new Failure('DEADLINE_PASSED', 'the model was not loaded in time');
    throw stillLoading(models, id);
  }
}

function stillLoading(models: Models, id: string): ApiError {
  const { state = 'unloaded', progress, etaSeconds } = models.get(id) ?? {};
  return new ApiError({
    status: 503,
    code: 'model_loading',
    message: `the model ${id} is still being loaded; the load goes on, ask again later`,
    retryAfterSecs: Math.min(RETRY_SECS_MAX, Math.max(1, Math.ceil(etaSeconds ?? RETRY_SECS))),
    fields: { loading: { state, progress: progress ?? null, etaSeconds: etaSeconds ?? null } },
  });
}
