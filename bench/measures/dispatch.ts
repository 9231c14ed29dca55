// From an offer passing by to the accept, and to the finished result, one job at a time; and jobs a second.
import { CHAT, pump, type Stage } from '../stage.ts';
import { round, type Spread, spread } from '../stats.ts';

export type Dispatch = {
  readonly offerToAcceptMs: Spread;
  readonly offerToDoneMs: Spread;
  readonly jobsPerSecondAt1: number;
  readonly jobsPerSecondAt8: number;
};

const WARM_UP = 40;
const JOBS = 300;

export async function measureDispatch(stage: Stage): Promise<Dispatch> {
  await pump(stage, WARM_UP, 1, () => CHAT);
  const offered = new Map<string, number>();
  const accepts: number[] = [];
  const dones: number[] = [];
  stage.tap.onPassing = ({ frame, atMs }) => {
    if (frame.type === 'offer') offered.set(frame.claim?.jobId ?? '', atMs);
    const sinceMs = atMs - (offered.get(frame.jobId ?? '') ?? Number.NaN);
    if (frame.type === 'accept') accepts.push(sinceMs);
    if (frame.type === 'completeJson') dones.push(sinceMs);
  };
  const alone = await pump(stage, JOBS, 1, () => CHAT);
  stage.tap.onPassing = () => {};
  const together = await pump(stage, JOBS, 8, () => CHAT);
  return {
    offerToAcceptMs: spread(accepts),
    offerToDoneMs: spread(dones),
    jobsPerSecondAt1: round((JOBS / alone) * 1000),
    jobsPerSecondAt8: round((JOBS / together) * 1000),
  };
}
