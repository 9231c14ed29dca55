// A load without a job: waits for the model as a job would, and takes no place on its thread.
import { Failure, toFailure } from '../protocol/failure.ts';
import type { ModelUser, Shelf, ShelfModel } from './shelf-model.ts';
import type { LoadedModelInfo, LoadObserver, LoadRun } from './types.ts';

export type LoadRunOptions = {
  readonly model: ShelfModel;
  readonly shelf: Pick<Shelf, 'await' | 'stopAwaiting'>;
  readonly observer: LoadObserver;
  readonly info: (model: ShelfModel) => LoadedModelInfo;
};

export function startLoad({ model, shelf, observer, info }: LoadRunOptions): LoadRun {
  const done = Promise.withResolvers<LoadedModelInfo>();
  let over = false;

  const waiter: ModelUser = {
    phase: (phase) => observer.phase?.(phase),
    loadProgress: (ratio) => observer.loadProgress?.(ratio),
    log: (level, message) => observer.log?.(level, message),
    stop: (failure) => end(() => done.reject(failure)),
    crashed: (failure) => end(() => done.reject(failure)),
  };

  function end(settle: () => void): void {
    if (over) return;
    over = true;
    shelf.stopAwaiting(model, waiter);
    settle();
  }

  // From now on it is not given up for want of a job; nothing is said before `load` has returned to its caller.
  shelf.await(model, waiter);
  queueMicrotask(() => {
    if (!over && (model.state === 'fetching' || model.state === 'loading')) observer.phase?.(model.state);
  });
  model.ready.then(
    () => end(() => done.resolve(info(model))),
    (thrown) => waiter.crashed(toFailure(thrown, 'ENGINE_FAILED')),
  );
  return {
    done: done.promise,
    cancel: (reason) => waiter.stop(new Failure('CANCELLED', reason)),
  };
}
