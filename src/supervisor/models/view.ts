// A model as the local API, the dashboard and the CLI are shown it. Pure.
import type { TaskKind } from '../../protocol/index.ts';
import type { Kept } from './keeper.ts';
import { readClock } from './load-clock.ts';
import type { ModelView } from './types.ts';

export type ReadyEngine = { readonly id: string; readonly kinds: readonly TaskKind[] };

export type ViewFacts = {
  readonly resident: boolean;
  readonly readyEngines: readonly ReadyEngine[];
  readonly nowMs: number;
};

export function viewOf({ entry, life, since, clock, coming }: Kept, facts: ViewFacts): ModelView {
  const { resident, readyEngines, nowMs } = facts;
  const { kind, source, enabled } = entry;
  const isReady = readyEngines.some(({ id, kinds }) => id === source.engine && kinds.includes(kind));
  return {
    ...entry,
    state: life.state,
    resident,
    since: since.toISOString().replace('Z', '+00:00'),
    loadable: enabled && isReady,
    ...(life.state === 'failed' && { error: life.error }),
    ...(life.state === 'loading' && clock !== undefined && readClock(clock, nowMs)),
    ...(life.state === 'loading' && clock === undefined && coming !== undefined && ofJob(coming)),
  };
}

/** Nobody here has watched it from its beginning, so nothing is known of its pace. */
function ofJob({ phase, progress }: NonNullable<Kept['coming']>): Pick<ModelView, 'phase' | 'progress'> {
  return { phase, ...(progress !== undefined && { progress }) };
}
