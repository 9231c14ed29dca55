// Keeps the tests of one studio out of each other's way: each has a size of its own, its jobs fit no worker of another
// test, and its workers come and go with it.
import { enrol, openWorker } from './fake-worker.ts';
import type { TestStudio } from './test-studio.ts';

/** `studio` is asked late: it is opened before the tests run, and after this is called. */
export function openRooms(studio: () => TestStudio) {
  let size = 100;
  return {
    room(over: Record<string, unknown> = {}) {
      size -= 1;
      return {
        capabilities: { vramThresholdGb: size, ...over },
        job: { vramGbEstimate: size },
      };
    },
    join: async (capabilities: Record<string, unknown>) =>
      openWorker(studio().url, await enrol(studio().url, studio().operator), { capabilities }),
    /** Runs jobs to their end, so that they are out of the way of later tests. */
    cancelAll: async (...ids: string[]) => {
      for (const id of ids)
        await studio()
          .operator.cancelJob(id)
          .catch(() => {});
    },
  };
}
