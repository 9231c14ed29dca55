// Where a model's files lie. Pure.
import { join } from 'node:path';

/** The folder of one model: `<models_root>/<sanitised model id>`, as upstream names it, so that its files are found again. */
export function modelFolder(modelsRoot: string, model: string): string {
  return join(modelsRoot, sanitisedId(model));
}

export function sanitisedId(model: string): string {
  return model.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\./, '_') || '_';
}

/** Where upstream and earlier versions kept files, in the order in which they are looked for. */
export function legacyPaths(modelsRoot: string, model: string, filename: string): string[] {
  return [
    join(modelsRoot, filename),
    join(modelsRoot, 'llm', filename),
    join(modelsRoot, 'stt', sanitisedId(model), filename),
  ];
}

/** The store's own files lie beside the model's, so a model file must not be named like one of them. */
export function isReservedName(filename: string): boolean {
  return /^manifest\.json$|\.(part|part\.json|lock|set-aside)$|^manifest\.json\./i.test(filename);
}
