// A model that lives in the thread itself: for engines that cannot take the process down with them.
import { Failure } from '../protocol/failure.ts';
import type { HeldModel, HeldModelHooks } from './held-model.ts';
import { loadEngine } from './load-engine.ts';
import type { LoadOrder, RunCommand, RunEvent } from './messages.ts';
import { ownBytes } from './own-bytes.ts';
import { startRun } from './run-on-model.ts';

export function openLocalModel(order: LoadOrder, hooks: HeldModelHooks): HeldModel {
  const controller = new AbortController();
  const { signal } = controller;
  const model = loadEngine(order, { signal, progress: hooks.loadProgress, log: hooks.log });
  return {
    loaded: model.then(({ memoryBytes }) => ({ memoryBytes })),
    abortLoad(failure) {
      controller.abort(new Failure(failure.code, failure.message));
    },
    async run(runOrder, port) {
      const loaded = await model;
      const { settings } = order;
      const memory = () => ({ memoryBytes: loaded.memoryBytes, holderPid: loaded.holderPid });
      const run = startRun({ model: loaded, settings, memory }, runOrder, (event: RunEvent) => {
        if (event.kind !== 'chunk') return port.postMessage(event);
        const chunk = ownBytes(event.chunk);
        port.postMessage({ kind: 'chunk', chunk } satisfies RunEvent, [chunk.buffer]);
      });
      port.on('message', (command: RunCommand) => run.command(command));
      await run.ended;
    },
    // A thread is never terminated, so a model in it can only be asked.
    kill() {},
    async unload() {
      const loaded = await model;
      await loaded[Symbol.asyncDispose]();
    },
  };
}
