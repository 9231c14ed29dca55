// Keeps an installation up to date while the worker runs: looks at the feed now and then, stages what is newer, and
// takes it between two jobs. Also takes what somebody else has changed in the installation (`update`, `rollback`, the
// installer, another worker). What is done when is decided in decision.ts.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Logs } from '../logs/logs.ts';
import { pause, settlesWithin } from '../pause.ts';
import { decide, type Facts, type Outcome } from './decision.ts';
import { readPointer } from './durable.ts';
import type { InstallKind } from './install-kind.ts';
import { holdVersion, takeInstallLock } from './install-lock.ts';
import { type Layout, programOf, versionFolder } from './layout.ts';
import type { Relaunch } from './relaunch.ts';
import type { Release } from './releases.ts';
import { installError } from './update-error.ts';
import { badVersions, readUpdateState, writeUpdateState } from './update-state.ts';

/** The worker, as far as an update concerns it. */
export interface UpdateHost {
  /** Whether a job runs or waits here, of the studio or of this machine. */
  busy(): boolean;
  /** No new job starts until the value is disposed. */
  stopAdmission(): Disposable;
  /** Resolves when no job runs. */
  idle(): Promise<void>;
  /** Ends the worker in good order; the process then becomes what `target` names. */
  restart(target: Relaunch): void;
}

export type UpdaterTimes = {
  /** How often it is looked whether the installation was changed, in ms. */
  readonly lookMs: number;
  /** After so long something that was put off is tried again, in ms. */
  readonly tickMs: number;
  /** For jobs to end once no new one is taken, in ms. */
  readonly drainMsMax: number;
};
// Five seconds, as with other commands to a running worker; a minute is upstream's tick.
const TIMES: UpdaterTimes = { lookMs: 5_000, tickMs: 60_000, drainMsMax: 30 * 60_000 };

export type UpdaterOptions = {
  readonly install: InstallKind;
  readonly running: string;
  readonly config: () => Pick<
    Config,
    'autoUpdateEnabled' | 'autoUpdateIntervalSecs' | 'autoUpdateFeed' | 'autoUpdatePrerelease'
  >;
  readonly host: UpdateHost;
  readonly logs: Pick<Logs, 'debug' | 'info' | 'warn'>;
  /** Of this process, for the next one. */
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  readonly times?: Partial<UpdaterTimes>;
};

const CATEGORY = 'auto-update';

/** Resolves when `signal` aborts or a restart was asked for. Never rejects. */
export async function keepUpToDate(options: UpdaterOptions): Promise<void> {
  const { install, running, config, host, logs, args, signal } = options;
  const times = { ...TIMES, ...options.times };
  const notified = new Set<string>();
  // Monotonic: a clock that is set back must not stop updates for years, nor one set forward start them all at once.
  let lastCheckMs = performance.now();
  let lastTickMs = lastCheckMs;
  let drainAgainMs = 0;
  await using _held = install.kind === 'managed' ? await holdVersion(install.folder) : undefined;
  if (install.kind !== 'managed' && config().autoUpdateEnabled) {
    logs.info(CATEGORY, 'new versions are told, not installed', { why: install.how });
  }

  try {
    while (!signal.aborted) {
      await pause(Math.min(times.lookMs, times.tickMs), signal);
      if (await takeWhatIsThere()) return;
      const nowMs = performance.now();
      const overdueMs = nowMs - lastCheckMs - config().autoUpdateIntervalSecs * 1000;
      if (overdueMs < 0 || nowMs - lastTickMs < Math.min(times.tickMs, config().autoUpdateIntervalSecs * 1000))
        continue;
      lastTickMs = nowMs;
      const outcome = await step(overdueMs);
      tell(outcome);
      if (outcome.kind === 'Updated') return;
      if (outcome.kind !== 'SkippedBusy') lastCheckMs = performance.now();
    }
  } catch (err) {
    // What is left over of an update does no harm; a worker that dies of it would.
    if (!signal.aborted) logs.warn(CATEGORY, 'updates are off until the next start', { err });
  }

  /** A version that an operator asked for, or that somebody has made the current one. True once a restart is under way. */
  async function takeWhatIsThere(): Promise<boolean> {
    if (install.kind !== 'managed' || performance.now() < drainAgainMs) return false;
    const target = await targetOf(install);
    if (target === undefined) return false;
    logs.info(CATEGORY, 'another version is there, no new job is taken until it runs', target);
    return drainInto(target.verb === 'try' ? ['try', target.version] : ['start']);
  }

  async function targetOf({ layout, folder }: InstallKind & { kind: 'managed' }) {
    const own = path.basename(folder);
    const { wanted } = await readUpdateState(layout);
    const current = await readPointer(layout.root, 'current');
    for (const [verb, version] of [
      ['try', wanted],
      ['start', current],
    ] as const) {
      if (version === undefined || version === own) continue;
      if (await exists(programOf(versionFolder(layout, version)).node)) return { verb, version };
    }
    return undefined;
  }

  async function drainInto(launcherArgs: readonly string[]): Promise<boolean> {
    if (install.kind !== 'managed') return false;
    const hold = host.stopAdmission();
    if (host.busy()) logs.info(CATEGORY, 'waiting for running jobs to end before the restart');
    if ((await settlesWithin(host.idle(), times.drainMsMax, signal)) && (await canChange(install.layout))) {
      // The hold stays: the next job belongs to the next process.
      const { node, launcher } = programOf(install.folder);
      host.restart({ file: node, args: [launcher, ...launcherArgs, '--', ...args] });
      return true;
    }
    hold[Symbol.dispose]();
    if (!signal.aborted && host.busy()) logs.warn(CATEGORY, 'jobs run for too long, the restart is put off');
    drainAgainMs = performance.now() + times.drainMsMax;
    return false;
  }

  /** A launcher that could not note what it tries would give the process back, and this worker would try it again. */
  async function canChange(layout: Layout): Promise<boolean> {
    try {
      await using _lock = await takeInstallLock(layout);
      await writeUpdateState(layout, await readUpdateState(layout));
      return true;
    } catch (thrown) {
      const { message } = installError(layout.root, thrown);
      logs.warn(CATEGORY, 'the installation cannot be changed, this version goes on', { why: message });
      return false;
    }
  }

  async function step(overdueMs: number): Promise<Outcome> {
    let facts: Omit<Facts, 'enabled' | 'busy'> = { managed: install.kind === 'managed', overdueMs };
    let release: Release | undefined;
    while (true) {
      const next = decide({ ...facts, enabled: config().autoUpdateEnabled, busy: host.busy() });
      switch (next.do) {
        case 'end':
          return next.outcome;
        case 'check':
          try {
            release = await check();
            facts = {
              ...facts,
              check: release === undefined ? { kind: 'nothing-newer' } : { kind: 'newer', version: release.version },
            };
          } catch (thrown) {
            signal.throwIfAborted();
            facts = { ...facts, check: { kind: 'error', why: messageOf(thrown) } };
          }
          break;
        case 'stage':
          facts = { ...facts, staged: await stage(release) };
          break;
        case 'drain':
          facts = { ...facts, drained: await drainInto(['try', next.version]) };
          break;
        default:
          next satisfies never;
      }
    }
  }

  async function check(): Promise<Release | undefined> {
    const { autoUpdateFeed, autoUpdatePrerelease } = config();
    const bad = install.kind === 'managed' ? badVersions(await readUpdateState(install.layout)) : new Set<string>();
    // Imported when they are used: a worker at rest should not hold what it needs twice a month.
    const { checkForUpdate } = await import('./check.ts');
    const { newer, warnings } = await checkForUpdate({
      feed: autoUpdateFeed,
      running,
      allowPrerelease: autoUpdatePrerelease,
      bad,
      signal,
    });
    for (const warning of warnings) logs.warn(CATEGORY, warning);
    return newer;
  }

  async function stage(release: Release | undefined): Promise<NonNullable<Facts['staged']>> {
    if (install.kind !== 'managed' || release === undefined) return { ok: false, why: 'there is nothing to install' };
    logs.info(CATEGORY, 'update available, fetching it', { running, version: release.version });
    try {
      const { stageRelease } = await import('./stage.ts');
      await stageRelease({
        layout: install.layout,
        release,
        variant: install.variant,
        feed: config().autoUpdateFeed,
        signal,
        note: (text) => logs.info(CATEGORY, text),
      });
      return { ok: true };
    } catch (thrown) {
      signal.throwIfAborted();
      return { ok: false, why: messageOf(thrown) };
    }
  }

  function tell(outcome: Outcome): void {
    switch (outcome.kind) {
      case 'Disabled':
        return;
      case 'SkippedBusy':
        return logs.debug(CATEGORY, 'jobs run, the update waits');
      case 'UpToDate':
        return logs.debug(CATEGORY, 'up to date', { running });
      case 'CheckError':
        return logs.warn(CATEGORY, 'the release feed could not be read', { why: outcome.why });
      case 'UpdateError':
        return logs.warn(CATEGORY, 'the update could not be installed, this version goes on', { why: outcome.why });
      case 'Notified': {
        if (install.kind === 'managed' || notified.has(outcome.version)) return;
        notified.add(outcome.version);
        return logs.info(CATEGORY, 'update available', { running, version: outcome.version, how: install.how });
      }
      case 'Updated':
        return logs.info(CATEGORY, 'restarting to try the new version', { running, version: outcome.version });
      default:
        outcome satisfies never;
    }
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
