// Imports an engine's module and loads a model with it, in the thread or process where this is called.
import type { Engine, LoadContext, LoadedModel } from '../engines/engine.ts';
import { Failure } from '../protocol/failure.ts';
import type { LoadOrder } from './messages.ts';
import { lazyFolder } from './scratch.ts';

export type LoadHooks = Pick<LoadContext, 'signal' | 'progress' | 'log'>;

export async function loadEngine(order: LoadOrder, hooks: LoadHooks): Promise<LoadedModel> {
  const engine = await importEngine(order);
  hooks.signal.throwIfAborted();
  // Not removed here: the host removes all folders of a model once it is gone, also when its process was killed.
  const folder = lazyFolder(order.scratchDir);
  const model = await engine.load(order.model, {
    ...hooks,
    settings: order.settings,
    files: order.files,
    get scratchDir() {
      return folder.path;
    },
  });
  if (hooks.signal.aborted) {
    // The engine did not look at the signal; nobody waits for this model any more.
    await model[Symbol.asyncDispose]();
    hooks.signal.throwIfAborted();
  }
  return model;
}

/** What the engine's process must find in its environment when it starts. */
export async function loadProcessEnv(order: LoadOrder): Promise<Record<string, string>> {
  if (order.processEnvUrl === undefined) return {};
  const module = await importModule<{ processEnv?: () => Record<string, string> }>(order, order.processEnvUrl);
  return module.processEnv?.() ?? {};
}

async function importEngine(order: LoadOrder): Promise<Engine> {
  const module = await importModule<{ engine?: Engine }>(order, order.moduleUrl);
  if (typeof module.engine?.load === 'function') return module.engine;
  throw new Failure('ENGINE_UNAVAILABLE', `engine \`${order.engine}\` has no \`engine\` export`);
}

async function importModule<T>(order: LoadOrder, url: string): Promise<T> {
  try {
    return (await import(url)) as T;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('ENGINE_UNAVAILABLE', `engine \`${order.engine}\` could not be loaded: ${why}`, { cause });
  }
}
