// The engines that every worker has, as data. To add one: a folder beside this file and one line in the list.
// No engine is imported here, so that the supervisor can read the roster without loading a codec or an addon.
import type { EngineDescriptor } from './engine.ts';
import { synthetic } from './synthetic/descriptor.ts';

/** In the order in which a model without a source looks for its engine; `synthetic` stays last. */
export const ROSTER: readonly EngineDescriptor[] = [synthetic];
