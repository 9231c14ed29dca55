// update.json: what this installation knows about versions. Everything in it can be lost without harm to what runs: a
// damaged file counts as an empty one.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeDurably } from './durable.ts';
import type { Layout } from './layout.ts';
import { parseVersion } from './releases.ts';

/** Names a folder, so nothing else than a version may stand there. */
const Version = z.string().refine((text) => parseVersion(text)?.version === text);

const UpdateState = z.object({
  /** A version that an operator asked for, staged already; the worker takes it between two jobs. */
  wanted: Version.optional(),
  /** The version that was last tried without a verdict, and how often. Written before each try. */
  trial: z.object({ version: Version, attempts: z.int().nonnegative() }).optional(),
  /** Never taken again by itself; the newest last. */
  bad: z.array(z.object({ version: Version, why: z.string(), at: z.string() })).default([]),
});
export type UpdateState = z.infer<typeof UpdateState>;

/** A year of broken weekly releases; older ones are below whatever runs by then. */
const BAD_MAX = 50;
const WHY_CHARS_MAX = 500;

export async function readUpdateState({ state }: Layout): Promise<UpdateState> {
  try {
    return UpdateState.parse(JSON.parse(await readFile(state, 'utf8')));
  } catch {
    return { bad: [] };
  }
}

/** Call it under the lock of the installation. */
export async function writeUpdateState({ state }: Layout, value: UpdateState): Promise<void> {
  await writeDurably(state, `${JSON.stringify(value, null, 2)}\n`);
}

export function badVersions({ bad }: UpdateState): ReadonlySet<string> {
  return new Set(bad.map(({ version }) => version));
}

/** Pure. The version is also no longer on trial, nor wanted. */
export function withBad(state: UpdateState, version: string, why: string, at: Date): UpdateState {
  const others = state.bad.filter((each) => each.version !== version);
  const bad = [...others, { version, why: why.slice(0, WHY_CHARS_MAX), at: at.toISOString() }].slice(-BAD_MAX);
  return { ...withoutTrial(state, version), bad };
}

/** Pure: nothing is held against the version any more, and nothing is pending for it. */
export function withGood(state: UpdateState, version: string): UpdateState {
  return { ...withoutTrial(state, version), bad: state.bad.filter((each) => each.version !== version) };
}

/** Pure: one more attempt at a version, counted before it begins. */
export function withAttempt(state: UpdateState, version: string): UpdateState & { trial: { attempts: number } } {
  const attempts = state.trial?.version === version ? state.trial.attempts : 0;
  return { ...state, trial: { version, attempts: attempts + 1 } };
}

export function withoutTrial({ wanted, trial, bad }: UpdateState, version: string): UpdateState {
  return {
    ...(wanted !== undefined && wanted !== version && { wanted }),
    ...(trial !== undefined && trial.version !== version && { trial }),
    bad,
  };
}

const Probation = z.object({ version: Version, starts: z.int().nonnegative() });
export type Probation = z.infer<typeof Probation>;

/** There while the current version has not been healthy in earnest; a damaged file counts as a first start. */
export async function readProbation({ probation }: Layout): Promise<Probation | undefined> {
  try {
    return Probation.parse(JSON.parse(await readFile(probation, 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeProbation({ probation }: Layout, value: Probation): Promise<void> {
  await writeDurably(probation, `${JSON.stringify(value)}\n`);
}
