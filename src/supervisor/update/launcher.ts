// Starts a version, and the right one. It is always the code of a version that has proved itself which decides about one
// that has not:
//
//   try <version>   the old worker has become this program. The new version is tried; then the process becomes the new
//                   one, or the old one again
//   start           the current version is on probation: each start is counted, and one too many goes back
//
// A launcher that cannot write still starts something: a worker that runs an old version beats one that does not run.

import { readPointer, removeDurably } from './durable.ts';
import { holdVersion, takeInstallLock } from './install-lock.ts';
import { type Layout, programOf, versionFolder } from './layout.ts';
import type { Relaunch } from './relaunch.ts';
import { removeLeftovers } from './repair.ts';
import { goBack, type SwitchStep, switchTo } from './switch-version.ts';
import { type TrialEnd, tryVersion } from './trial.ts';
import {
  readProbation,
  readUpdateState,
  withAttempt,
  withBad,
  withoutTrial,
  writeProbation,
  writeUpdateState,
} from './update-state.ts';

/** The worker that becomes the launcher has let go of the lock; another updater may hold it for a moment. */
const LOCK_MS_MAX = 10_000;

/** Starts without becoming healthy after which a version on probation is left. */
const STARTS_MAX = 3;

/** Tries that end without a verdict (a power cut, a machine that freezes, no studio) after which it counts as bad. */
const ATTEMPTS_MAX = 3;

export type LauncherStep = SwitchStep | 'count' | 'try' | 'judge' | 'remember';

export type LauncherOptions = {
  readonly layout: Layout;
  /** The version whose code this is. */
  readonly own: string;
  /** Of `studio-worker`. */
  readonly args: readonly string[];
  readonly interrupted: AbortSignal;
  readonly say: (text: string) => void;
  readonly atStep?: (step: LauncherStep) => void;
  readonly trialMsMax?: number;
};

/** Resolves with what to become; undefined when it was told to stop. */
export async function launchTrial(version: string, options: LauncherOptions): Promise<Relaunch | undefined> {
  const { layout, own, args, say } = options;
  let end: TrialEnd;
  try {
    end = await trialOf(version, options);
  } catch (thrown) {
    say(`version ${version} could not be tried: ${messageOf(thrown)}`);
    end = { kind: 'unproven', why: messageOf(thrown) };
  }
  if (end.kind === 'interrupted') return undefined;
  if (end.kind !== 'healthy') return startOf(layout, own, args);
  // What follows is its first start in earnest.
  return launchOnProbation(options);
}

/** The trial itself, with what it changes in the installation. */
export async function trialOf(version: string, options: LauncherOptions): Promise<TrialEnd> {
  const { layout, own, args, interrupted, say, atStep } = options;
  await using _lock = await takeInstallLock(layout, LOCK_MS_MAX);
  await using _held = await holdVersion(versionFolder(layout, own));
  await removeLeftovers(layout);
  atStep?.('count');
  const before = await readUpdateState(layout);
  const state = withAttempt(before, version);
  if (state.trial.attempts > ATTEMPTS_MAX) {
    const why = `${ATTEMPTS_MAX} trials ended without a verdict`;
    await remember(layout, version, why, options);
    return { kind: 'bad', why };
  }
  // Counted first: a version that freezes the machine must not be tried for ever.
  await writeUpdateState(layout, state);
  atStep?.('try');
  const { trialMsMax } = options;
  say(`trying version ${version}`);
  const end = await tryVersion({
    layout,
    version,
    args,
    interrupted,
    ...(trialMsMax !== undefined && { msMax: trialMsMax }),
  });
  atStep?.('judge');
  switch (end.kind) {
    case 'healthy':
      await switchTo(layout, version, own, atStep);
      say(`version ${version} is healthy and takes over from ${own}`);
      break;
    case 'unproven':
      if (state.trial.attempts >= ATTEMPTS_MAX) {
        const why = `not healthy in ${state.trial.attempts} trials: ${end.why}`;
        await remember(layout, version, why, options);
        return { kind: 'bad', why };
      }
      say(`version ${version} could not prove itself (${end.why}); ${own} goes on and tries again later`);
      atStep?.('remember');
      await forgetWish(layout, version);
      break;
    case 'bad':
      await remember(layout, version, end.why, options);
      break;
    case 'interrupted':
      await writeUpdateState(layout, before);
      break;
    default:
      end satisfies never;
  }
  return end;
}

async function remember(layout: Layout, version: string, why: string, options: LauncherOptions): Promise<void> {
  options.say(`version ${version} is not healthy: ${why}; ${options.own} goes on, and this version is not tried again`);
  options.atStep?.('remember');
  await writeUpdateState(layout, withBad(await readUpdateState(layout), version, why, new Date()));
}

/** The attempt stays counted, but an operator's wish is answered: a worker must not restart over it again and again. */
async function forgetWish(layout: Layout, version: string): Promise<void> {
  const { trial, ...state } = await readUpdateState(layout);
  await writeUpdateState(layout, { ...withoutTrial(state, version), ...(trial !== undefined && { trial }) });
}

/** Resolves with what to become. */
export async function launchOnProbation(options: LauncherOptions): Promise<Relaunch> {
  const { layout, own, args, say } = options;
  try {
    // Only the worker becomes healthy; `studio-worker status` proves nothing.
    if (args.includes('run')) await countStart(options);
  } catch (thrown) {
    say(`the starts of a new version cannot be counted: ${messageOf(thrown)}`);
  }
  return startOf(layout, (await readPointer(layout.root, 'current')) ?? own, args);
}

async function countStart({ layout, say, atStep }: LauncherOptions): Promise<void> {
  await using _lock = await takeInstallLock(layout, LOCK_MS_MAX);
  const probation = await readProbation(layout);
  const current = await readPointer(layout.root, 'current');
  if (probation === undefined || probation.version !== current) {
    // Of an update that was cut off before its flip, or after going back.
    await removeDurably(layout.probation);
    return;
  }
  if (probation.starts >= STARTS_MAX) {
    const { from, to } = await goBack(layout, `not healthy after ${probation.starts} starts`, atStep);
    say(`version ${from} did not become healthy in ${probation.starts} starts, going back to ${to}`);
    return;
  }
  atStep?.('count');
  await writeProbation(layout, { ...probation, starts: probation.starts + 1 });
}

export function startOf(layout: Layout, version: string, args: readonly string[]): Relaunch {
  const { node, bin } = programOf(versionFolder(layout, version));
  return { file: node, args: [bin, ...args] };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
