// How long models take to load and how often that fails, read off the host's own list as it changes. The step is pure.
import type { Host, LoadedModelInfo } from '../../workers/types.ts';
import type { Recorder } from './recorder.ts';

/** Models that load now: what is known of each, and since when it loads. Fetching its files is not part of that. */
export type Loading = ReadonlyMap<string, { readonly info: LoadedModelInfo; readonly sinceMs: number }>;

export type LoadStep = {
  readonly loading: Loading;
  readonly loaded: readonly { readonly info: LoadedModelInfo; readonly ms: number }[];
  readonly failed: readonly LoadedModelInfo[];
};

export function stepLoads(before: Loading, models: readonly LoadedModelInfo[], nowMs: number): LoadStep {
  const loading = new Map<string, { info: LoadedModelInfo; sinceMs: number }>();
  const loaded: { info: LoadedModelInfo; ms: number }[] = [];
  const states = new Map<string, LoadedModelInfo['state']>();
  for (const info of models) {
    const id = `${info.pool} ${info.key}`;
    const since = before.get(id)?.sinceMs;
    states.set(id, info.state);
    if (info.state === 'loading') loading.set(id, { info, sinceMs: since ?? nowMs });
    else if (info.state === 'loaded' && since !== undefined) loaded.push({ info, ms: nowMs - since });
  }
  const failed = [...before].flatMap(([id, { info }]) => {
    const state = states.get(id);
    return state === undefined || state === 'unloading' ? [info] : [];
  });
  return { loading, loaded, failed };
}

export function watchLoads(host: Pick<Host, 'models' | 'changes'>, recorder: Recorder): Disposable {
  let loading: Loading = new Map();
  const look = (): void => {
    const step = stepLoads(loading, host.models(), performance.now());
    loading = step.loading;
    for (const { info, ms } of step.loaded) recorder.loads.observe(labelsOf(info), ms / 1000);
    for (const info of step.failed) recorder.loadFailures.add(labelsOf(info));
  };
  host.changes.addEventListener('change', look);
  return { [Symbol.dispose]: () => host.changes.removeEventListener('change', look) };
}

function labelsOf({ pool, engine }: LoadedModelInfo): { kind: string; engine: string } {
  return { kind: pool, engine };
}
