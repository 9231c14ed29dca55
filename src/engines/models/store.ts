// The model store: brings every file of a model source to this machine before its engine loads it. Runs in the thread
// that drives the engine, never in the supervisor and never in an engine process.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { LoadContext, LocalModelFile, ModelRef } from '../engine.ts';
import { modelFolder } from './folder.ts';

export type StoreContext = Pick<LoadContext, 'signal' | 'settings' | 'progress' | 'log'>;

export async function ensureModelFiles(model: ModelRef, { settings }: StoreContext): Promise<LocalModelFile[]> {
  const folder = modelFolder(settings.modelsRoot, model.model);
  const files: LocalModelFile[] = [];
  for (const { role, filename } of model.source.files) {
    const path = join(folder, filename);
    const stats = await stat(path).catch(() => undefined);
    if (!stats?.isFile()) throw new Failure('MODEL_SOURCE_MISSING', `${path} is not there`);
    files.push({ role, filename, path });
  }
  return files;
}
