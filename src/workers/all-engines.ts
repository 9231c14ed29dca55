// Every engine of this worker, as data: the built-in ones and the operator's own. Imports none of them.
import type { EngineDescriptor } from '../engines/engine.ts';
import { ROSTER } from '../engines/roster.ts';

/**
 * Built-in engines first. An operator's engine replaces the built-in one of the same id: ids are what jobs name.
 * `only`: ids of those that the operator wants; absent, all.
 */
export function allEngines(extra: readonly EngineDescriptor[], only?: readonly string[]): EngineDescriptor[] {
  const byId = new Map([...ROSTER, ...extra].map((engine) => [engine.id, engine]));
  return [...byId.values()].filter(({ id }) => only === undefined || only.includes(id));
}
