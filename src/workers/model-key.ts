// What makes two models the same: engine, name, files and settings. Equal keys share one loaded instance.
import { createHash } from 'node:crypto';
import type { ModelRef } from '../engines/engine.ts';
import type { ModelSource } from '../protocol/index.ts';

export function modelRef(model: string, source: ModelSource): ModelRef {
  const text = stable([model, source.engine, source.files, source.cliDefaults]);
  return { key: createHash('sha256').update(text).digest('base64url').slice(0, 22), model, source };
}

/** JSON with sorted keys, since two studios may write the same settings in another order. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
