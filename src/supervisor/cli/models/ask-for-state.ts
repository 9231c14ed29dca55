// Has the running worker load or unload a model, and follows it until that has happened.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelView } from '../../models/types.ts';
import type { WorkerClient } from '../worker-client.ts';
import { pathOf } from './catalogue-access.ts';
import { openProgressLine } from './progress-line.ts';

const LOOK_EVERY_MS = 250;

export type StateAnswer = Pick<ModelView, 'id' | 'state' | 'resident' | 'error' | 'phase' | 'progress' | 'etaSeconds'>;

/** Rejects when the worker refuses, and when the load fails. */
export async function askForState(
  worker: Pick<WorkerClient, 'json'>,
  id: string,
  { what, wait }: { what: 'load' | 'unload'; wait: boolean },
): Promise<StateAnswer> {
  let answer = await worker.json<StateAnswer>(pathOf(id, `/${what}`), { method: 'POST' });
  using line = openProgressLine(id);
  while (wait && isUnderWay(answer, what)) {
    if (answer.state === 'loading') line.show({ ...answer, ratio: answer.progress });
    await sleep(LOOK_EVERY_MS);
    answer = await worker.json<StateAnswer>(pathOf(id, '/state'));
  }
  if (what === 'load' && answer.state === 'failed') throw new Error(`${id} could not be loaded: ${answer.error}`);
  return answer;
}

function isUnderWay({ state }: StateAnswer, what: 'load' | 'unload'): boolean {
  return state === 'loading' || state === 'unloading' || (what === 'unload' && state === 'loaded');
}
