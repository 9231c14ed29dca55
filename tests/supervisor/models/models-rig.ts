// The models on a real host with the test engine, in a folder of their own.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { testEngine } from '../../../fixtures/engines/descriptor.ts';
import { openModels } from '../../../src/supervisor/models/models.ts';
import type { Models, ModelView } from '../../../src/supervisor/models/types.ts';
import { engineSettings, openRig, type Rig, type RigPatch } from '../../workers/rig.ts';
import { entry, listener } from './samples.ts';

export type ModelsRig = AsyncDisposable & {
  readonly rig: Rig;
  readonly models: Models;
  readonly logs: ReturnType<typeof listener>;
  readonly enginesChanged: EventTarget;
  readonly dir: string;
  view(id: string): ModelView;
  /** Resolves with the view as soon as `holds` does, looked at after every change. */
  until(id: string, holds: (view: ModelView) => boolean): Promise<ModelView>;
  /** Ids in residency.json. */
  resident(): Promise<string[]>;
  /** The models of a next start on the same host and files. */
  reopen(): Promise<void>;
};

export type ModelsPatch = RigPatch & {
  readonly entries?: readonly Record<string, unknown>[];
  readonly residents?: readonly string[];
};

export async function openModelsRig({ entries = [], residents, ...patch }: ModelsPatch = {}): Promise<ModelsRig> {
  const rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], ...patch });
  const dir = join(rig.root, 'config');
  const paths = { models: join(dir, 'models.json'), residency: join(dir, 'residency.json') };
  await mkdir(dir);
  const dismissedSeeds = ['z-image-turbo-q4_k_m.gguf', 'qwen3.5-0.8b', 'qwen3.5-2b'];
  await writeFile(paths.models, JSON.stringify({ models: entries, dismissedSeeds }));
  if (residents) await writeFile(paths.residency, JSON.stringify({ version: 1, resident: residents }));
  const logs = listener();
  const enginesChanged = new EventTarget();
  const options = { paths, host: rig.host, enginesChanged, logs, restore: true };
  const open = () => openModels({ ...options, engineSettings: engineSettings(join(rig.root, 'models')) });
  let models = await open();

  const view = (id: string): ModelView => {
    const found = models.get(id);
    if (!found) throw new Error(`there is no model ${id}`);
    return found;
  };

  return {
    ...{ rig, logs, enginesChanged, dir, view },
    get models() {
      return models;
    },
    async until(id, holds) {
      const { promise, resolve } = Promise.withResolvers<ModelView>();
      const look = (): void => {
        const now = models.get(id);
        if (now && holds(now)) resolve(now);
      };
      models.changes.addEventListener('change', look);
      look();
      const found = await promise;
      models.changes.removeEventListener('change', look);
      return found;
    },
    async resident() {
      const text = await readFile(paths.residency, 'utf8').catch(() => '{"resident":[]}');
      return (JSON.parse(text) as { resident: string[] }).resident;
    },
    async reopen() {
      await models[Symbol.asyncDispose]();
      models = await open();
    },
    async [Symbol.asyncDispose]() {
      await models[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

/** One of the test engine; what it does when it is loaded is in its id. */
export function testEntry(id: string, patch: Record<string, unknown> = {}) {
  return entry(id, { vramGbEstimate: 1, ...patch });
}
