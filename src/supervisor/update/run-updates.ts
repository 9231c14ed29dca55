// What the worker does about updates while it runs: a version on trial says how it is, one on probation ends it when it
// is healthy, and every other looks for newer ones.
import path from 'node:path';
import type { ConfigStore } from '../config/store.ts';
import type { Logs } from '../logs/logs.ts';
import { keepUpToDate, type UpdateHost } from './auto-updater.ts';
import { readPointer, removeDurably } from './durable.ts';
import { type HealthFacts, untilHealthy } from './health.ts';
import { installKind } from './install-kind.ts';
import { takeInstallLock } from './install-lock.ts';
import type { Layout } from './layout.ts';
import { removeOldVersions } from './repair.ts';
import { writeVerdict } from './trial.ts';
import { readProbation, readUpdateState } from './update-state.ts';

type Options = {
  readonly config: ConfigStore;
  readonly logs: Logs;
  readonly version: string;
  readonly facts: () => HealthFacts;
  readonly signal: AbortSignal;
};

export async function proveHealth({
  trialFile,
  version,
  facts,
  logs,
  signal,
}: Options & { readonly trialFile: string }): Promise<void> {
  const health = await untilHealthy(facts, signal);
  logs.info('auto-update', 'the trial of this version is over', { version, ...health });
  await writeVerdict(trialFile, { version, ...health });
}

/** Resolves when `signal` aborts or a restart was asked for. */
export async function runUpdates(options: Options & { readonly host: UpdateHost }): Promise<void> {
  const { config, logs, version, host, signal } = options;
  const install = installKind();
  if (install.kind === 'managed') {
    await tellOfFailure(install.layout, logs);
    void endProbation(options, install).catch((err: unknown) => {
      if (!signal.aborted) logs.warn('auto-update', 'the probation of this version could not be ended', { err });
    });
  }
  await keepUpToDate({
    install,
    running: version,
    config: () => config.current,
    host,
    logs,
    args: process.argv.slice(2),
    signal,
  });
}

/** As long after a failure as it can have led to this very start, in ms. */
const FAILURE_MS_MAX = 600_000;

/** The launcher that went back had only the terminal; the log, and the studio, hear of it from the version that is back. */
async function tellOfFailure(layout: Layout, logs: Logs): Promise<void> {
  for (const { version, why, at } of (await readUpdateState(layout)).bad) {
    if (Math.abs(Date.now() - Date.parse(at)) > FAILURE_MS_MAX) continue;
    logs.warn('auto-update', 'a new version was tried and left; it is not taken again by itself', {
      left: version,
      why,
    });
  }
}

/** Another worker of this installation may be fetching something; what is counted meanwhile must still come to an end. */
const LOCK_MS_MAX = 3_600_000;

/** This version runs in earnest and well: going back is no longer automatic, and older versions may go. */
async function endProbation(
  { facts, signal, logs, version }: Options,
  { layout, folder }: { readonly layout: Layout; readonly folder: string },
): Promise<void> {
  if (path.basename(folder) !== (await readPointer(layout.root, 'current'))) return;
  const probation = await readProbation(layout);
  if (probation === undefined) return;
  // It has been let in during its trial, so an absent studio is not its fault now.
  const health = await untilHealthy(facts, signal);
  await using _lock = await takeInstallLock(layout, LOCK_MS_MAX, signal);
  await removeDurably(layout.probation);
  const removed = await removeOldVersions(layout, [path.basename(folder)]);
  logs.info('auto-update', 'the new version has proved itself', { version, ...health, removed: removed.join(', ') });
}
