// What is said between the supervisor and the short-lived child that looks at one engine. Types only.
import type { EngineSettings } from '../engines/engine.ts';

export type ProbeOrder =
  /** The variables that the engine's process must start with. A process cannot give them to itself. */
  | { readonly kind: 'env'; readonly moduleUrl: string; readonly settings: EngineSettings }
  | { readonly kind: 'probe'; readonly moduleUrl: string; readonly settings: EngineSettings };

/** Always the only answer. `value` comes from an engine's module and is not checked yet. */
export type ProbeAnswer =
  | { readonly kind: 'answered'; readonly value: unknown }
  /** The module could not be imported, which most likely means an incomplete installation. */
  | { readonly kind: 'missing'; readonly why: string }
  | { readonly kind: 'threw'; readonly why: string };
