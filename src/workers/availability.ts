// Which engines work on this machine, and in which words a job for one that does not is refused. Pure.
import type { EngineDescriptor, ProbeReport } from '../engines/engine.ts';
import type { Verdict } from './types.ts';

/** What is known of an engine that has a probe; undefined while nothing is. */
export type Probed = (engineId: string) => ProbeReport | undefined;

/** An engine without a probe needs nothing. One that was not probed yet is not promised to anybody. */
export function isReady(engine: EngineDescriptor, probed: Probed | undefined): boolean {
  return engine.probeUrl === undefined || probed === undefined || probed(engine.id)?.ready === true;
}

/** Why a job for this engine cannot start, undefined when it can. */
export function unavailable(
  engine: EngineDescriptor,
  probed: Probed | undefined,
): Exclude<Verdict, { kind: 'ready' }> | undefined {
  if (isReady(engine, probed)) return undefined;
  const report = probed?.(engine.id);
  if (!report) return { kind: 'busy', why: `engine \`${engine.id}\` is still being checked` };
  return {
    kind: 'never',
    code: 'ENGINE_UNAVAILABLE',
    why: `engine \`${engine.id}\` does not work here: ${whyNot(report)}`,
  };
}

/** Detail and remedy as one sentence for logs and refusals. */
export function whyNot({ detail, remedy }: ProbeReport): string {
  return remedy === undefined ? detail : `${detail}; to mend it: ${remedy}`;
}
