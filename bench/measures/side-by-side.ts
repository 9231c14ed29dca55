// Five busy jobs of different kinds at one time, over the slowest of them alone: 1.0 would be perfect parallelism.
import { TASK_KINDS } from '../../src/protocol/index.ts';
import { busyJob, pump, type Stage } from '../stage.ts';
import { median, round } from '../stats.ts';

export type SideBySide = { readonly togetherMs: number; readonly slowestAloneMs: number; readonly ratio: number };

const JOB_MS = 300;
const ROUNDS = 5;

export async function measureSideBySide(stage: Stage): Promise<SideBySide> {
  for (const kind of TASK_KINDS) await pump(stage, 1, 1, () => busyJob(kind, 1));
  const together: number[] = [];
  const slowest: number[] = [];
  for (let round_ = 0; round_ < ROUNDS; round_ += 1) {
    let index = 0;
    together.push(
      await spanOf(stage, () => pump(stage, 5, 5, () => busyJob(TASK_KINDS[index++ % 5] ?? 'llm', JOB_MS))),
    );
    const alone: number[] = [];
    for (const kind of TASK_KINDS)
      alone.push(await spanOf(stage, () => pump(stage, 1, 1, () => busyJob(kind, JOB_MS))));
    slowest.push(Math.max(...alone));
  }
  const togetherMs = median(together);
  const slowestAloneMs = median(slowest);
  return { togetherMs, slowestAloneMs, ratio: round(togetherMs / slowestAloneMs) };
}

/** From the first offer to the last result that passes by, in ms. */
async function spanOf(stage: Stage, work: () => Promise<unknown>): Promise<number> {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  stage.tap.onPassing = ({ frame, atMs }) => {
    if (frame.type === 'offer') first = Math.min(first, atMs);
    if (frame.type === 'completeJson' || frame.type === 'upload') last = Math.max(last, atMs);
  };
  await work();
  stage.tap.onPassing = () => {};
  return last - first;
}
