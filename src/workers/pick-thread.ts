// Which thread of a pool takes a job. Pure.

/** What counts about a thread: `working` is the model its jobs use now, and `places` how many jobs those are. */
export type ThreadView = {
  readonly working: string | undefined;
  readonly places: number;
  /** Models that are loaded on it. */
  readonly warm: ReadonlySet<string>;
};

/**
 * The thread that already works on the model and has a free place, else an idle one that holds it, else the idle one
 * with the fewest models. A thread works on one model at a time, up to `concurrency` jobs of it.
 */
export function pickThread<T extends ThreadView>(
  threads: readonly T[],
  model: string,
  concurrency: number,
): T | undefined {
  const sharing = threads.filter((thread) => thread.working === model && thread.places < concurrency);
  const idle = threads.filter((thread) => thread.working === undefined && thread.places === 0);
  return (
    least(sharing, (thread) => thread.places) ??
    idle.find((thread) => thread.warm.has(model)) ??
    least(idle, (thread) => thread.warm.size)
  );
}

function least<T>(list: readonly T[], measure: (item: T) => number): T | undefined {
  return list.reduce<T | undefined>((best, item) => (best && measure(best) <= measure(item) ? best : item), undefined);
}
