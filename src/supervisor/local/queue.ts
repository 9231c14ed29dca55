// Who waits for a place, in the order of coming, and who of them goes next. Pure but for the verdicts, which are asked for.
//
// A waiter whose model does not fit yet is passed by those that can start at once, a few times: a chat on a warm model
// need not wait behind a video, and the video is not kept waiting by an endless chat.

/** How often the first in line is passed before everybody waits for it. */
export const PASSES_MAX = 8;

export type Waiter = {
  /** Waiters of one model are alike: when one has to wait, so have the others. */
  readonly model: string;
  passed: number;
};

export type Answer = 'start' | 'wait' | 'refuse';

/** The first one that may go now, if any. `ask` is called at most once for each model. */
export function nextOf<W extends Waiter>(
  queue: readonly W[],
  ask: (waiter: W) => Answer,
): { waiter: W; answer: 'start' | 'refuse' } | undefined {
  const [first] = queue;
  const waits = new Set<string>();
  for (const waiter of queue) {
    if (waits.has(waiter.model)) continue;
    const answer = ask(waiter);
    if (answer !== 'wait') {
      if (answer === 'start' && first !== undefined && waiter !== first) first.passed += 1;
      return { waiter, answer };
    }
    waits.add(waiter.model);
    if (first !== undefined && first.passed >= PASSES_MAX) return undefined;
  }
  return undefined;
}
