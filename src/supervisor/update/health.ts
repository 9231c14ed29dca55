// When a worker counts as healthy: it is up (whoever asks here is), every engine has been looked at, and the studio has
// let it in or has it wait for approval. That the studio cannot be reached does not condemn a version for ever, but does not prove
// it either.
import { pause } from '../pause.ts';

export type HealthFacts = {
  readonly enginesProbed: boolean;
  /** Welcomed, waiting for an operator, or rejected by one: the studio has answered as it should. */
  readonly studioAnswered: boolean;
};

export type Health =
  | { readonly healthy: true }
  | { readonly healthy: false; readonly excused: boolean; readonly why: string };

/** Nobody waits for it but another program. */
const LOOK_EVERY_MS = 250;

/** How long the studio may take once everything else is well, in ms: several reconnects. */
const STUDIO_MS_MAX = 60_000;

/** Pure. Undefined: not yet decided. */
export function healthOf(
  facts: HealthFacts,
  waitedMs: number,
  studioMsMax: number = STUDIO_MS_MAX,
): Health | undefined {
  const { enginesProbed, studioAnswered } = facts;
  if (!enginesProbed) return undefined;
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
    if (now.enginesProbed) readySinceMs ??= performance.now();
    const health = healthOf(now, performance.now() - (readySinceMs ?? performance.now()), studioMsMax);
    if (health !== undefined) return health;
    await pause(LOOK_EVERY_MS, signal);
  }
}
