// When a worker counts as healthy: it answers on its own, every engine has been looked at, and the studio has let it in
// or has it wait for approval. That the studio cannot be reached does not condemn a version for ever, but does not prove
// it either.
import { pause } from '../pause.ts';

export type HealthFacts = {
  /** The configuration is read, the models' host is up, and the local API listens where it is wanted. */
  readonly serving: boolean;
  readonly enginesProbed: boolean;
  /** Welcomed, or waiting for an operator: the studio has answered as it should. */
  readonly studioAnswered: boolean;
};

export type Health =
  | { readonly healthy: true }
  | { readonly healthy: false; readonly excused: boolean; readonly why: string };

/** From a quarter of a second to notice nothing is lost; nobody waits for it but another program. */
const LOOK_EVERY_MS = 250;

/** How long the studio may take once everything else is well, in ms: several reconnects. */
const STUDIO_MS_MAX = 60_000;

/** Pure. Undefined: not yet decided. */
export function healthOf(
  facts: HealthFacts,
  waitedMs: number,
  studioMsMax: number = STUDIO_MS_MAX,
): Health | undefined {
  const { serving, enginesProbed, studioAnswered } = facts;
  if (!serving || !enginesProbed) return undefined;
  if (studioAnswered) return { healthy: true };
  if (waitedMs < studioMsMax) return undefined;
  return { healthy: false, excused: true, why: 'the studio could not be reached' };
}

/** Resolves once it is decided. Rejects when `signal` aborts. */
export async function untilHealthy(
  facts: () => HealthFacts,
  signal: AbortSignal,
  studioMsMax?: number,
): Promise<Health> {
  let readySinceMs: number | undefined;
  while (true) {
    const now = facts();
    if (now.serving && now.enginesProbed) readySinceMs ??= performance.now();
    const health = healthOf(now, performance.now() - (readySinceMs ?? performance.now()), studioMsMax);
    if (health !== undefined) return health;
    await pause(LOOK_EVERY_MS, signal);
  }
}
