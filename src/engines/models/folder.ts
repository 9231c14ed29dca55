// Where a model's files lie. Pure.
import { join } from 'node:path';

/** The folder of one model: `<models_root>/<sanitised model id>`, as upstream names it, so that its files are found again. */
export function modelFolder(modelsRoot: string, model: string): string {
  return join(modelsRoot, sanitisedId(model));
}

export function sanitisedId(model: string): string {
  return model.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\./, '_') || '_';
}
