// Unloading a model on purpose while jobs may run on it: nobody joins any more, those who run get some time, and then
// they fail with a code that lets the job be tried again.
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../protocol/failure.ts';
import { isComing, type ShelfModel } from './shelf-model.ts';

export type LetGoParts = {
  /** Resolves when no job uses the model. */
  readonly idle: (model: ShelfModel) => Promise<void>;
  readonly unload: (id: string) => Promise<void>;
  /** From now on it can be seen that the model takes no more jobs. */
  readonly changed: () => void;
  /** A run that was stopped has returned, or was given up, after so long. */
  readonly stopMsMax: number;
};

/** Resolves when nothing is left of the model. */
export async function letGo(model: ShelfModel, drainMs: number, parts: LetGoParts): Promise<void> {
  const why = new Failure('MODEL_UNLOADED', `the model \`${model.ref.model}\` was unloaded on request`);
  if (isComing(model)) {
    model.loading.abort(why);
    // The load may have ended before it heard of that, and is then like any other.
    await model.ready.catch(() => {});
  }
  if (model.state === 'loaded') {
    model.draining = true;
    parts.changed();
    if (!(await idleWithin(model, drainMs, parts))) {
      for (const user of [...model.users]) user.stop(why);
      await idleWithin(model, parts.stopMsMax, parts);
    }
    // It may have been lost meanwhile, which is as good.
    void parts.unload(model.id);
  }
  await model.removed.promise;
}

async function idleWithin(model: ShelfModel, ms: number, { idle }: LetGoParts): Promise<boolean> {
  const late = new AbortController();
  try {
    return await Promise.race([
      Promise.race([idle(model), model.removed.promise]).then(() => true),
      sleep(ms, false, { signal: late.signal }).catch(() => false),
    ]);
  } finally {
    late.abort();
  }
}
