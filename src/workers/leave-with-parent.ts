// For child processes that run native code: makes sure that they end when the supervisor does, also when their own
// JavaScript is stuck. The parent hands down a pipe that only it holds (engine-process-watcher.ts reads it).
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** The watcher only waits on a pipe, so it gets the smallest heap that Node starts with. */
const WATCHER_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

export function leaveWithParent(): void {
  new Worker(new URL(`./engine-process-watcher${extname(import.meta.url)}`, import.meta.url), {
    resourceLimits: WATCHER_LIMITS,
  }).unref();
}
