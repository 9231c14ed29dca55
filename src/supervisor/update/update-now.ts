// An update that an operator asks for. With a running worker it is staged and left to that one, which knows when its
// jobs have ended; else the new version is tried here, with the same configuration, and becomes the current one.
import path from 'node:path';
import type { Config } from '../config/schema.ts';
import { readRunningPid } from '../daemon-lock.ts';
import { checkForUpdate, findRelease } from './check.ts';
import { readPointer } from './durable.ts';
import type { InstallKind } from './install-kind.ts';
import { takeInstallLock } from './install-lock.ts';
import { trialOf } from './launcher.ts';
import type { Release } from './releases.ts';
import { stageRelease } from './stage.ts';
import { badVersions, readUpdateState, withGood, writeUpdateState } from './update-state.ts';

export type UpdateNow = {
  readonly install: InstallKind & { kind: 'managed' };
  readonly running: string;
  readonly configPath: string;
  readonly config: Pick<Config, 'autoUpdateFeed' | 'autoUpdatePrerelease'>;
  readonly to: string | undefined;
  /** For progress. */
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
};
export type UpdateDone = { readonly ok: boolean; readonly text: string };

export async function updateNow(options: UpdateNow): Promise<UpdateDone> {
  const { install, configPath, say } = options;
  const { layout } = install;
  const own = path.basename(install.folder);
  const release = await chooseRelease(options);
  if (release === undefined) return { ok: true, text: `up to date: ${options.running}` };
  const { version } = release;
  if (version === (await readPointer(layout.root, 'current'))) {
    return { ok: true, text: `version ${version} is installed already` };
  }
  await stageRelease({
    layout,
    release,
    variant: install.variant,
    feed: options.config.autoUpdateFeed,
    atStep: (step) => {
      if (step === 'download') say(`fetching ${version} …`);
      if (step === 'unpack') say('unpacking and checking it …');
    },
    note: options.warn,
  });
  if ((await readRunningPid(path.dirname(configPath))) !== undefined) {
    await using _lock = await takeInstallLock(layout);
    // Asked for by name: what was held against it before does not count.
    await writeUpdateState(layout, { ...withGood(await readUpdateState(layout), version), wanted: version });
    return { ok: true, text: `version ${version} is ready; the running worker takes it between two jobs` };
  }
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const args = ['run', '--config', configPath];
    const end = await trialOf(version, { layout, own, args, interrupted: interrupted.signal, say });
    if (end.kind === 'healthy') return { ok: true, text: `updated: ${own} -> ${version}` };
    return { ok: false, text: `still ${own}${end.kind === 'interrupted' ? ': interrupted' : ''}` };
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

async function chooseRelease({ config, to, running, install, warn }: UpdateNow): Promise<Release | undefined> {
  const feed = config.autoUpdateFeed;
  if (to !== undefined) return findRelease(feed, to);
  const bad = badVersions(await readUpdateState(install.layout));
  const { newer, warnings } = await checkForUpdate({
    feed,
    running,
    allowPrerelease: config.autoUpdatePrerelease,
    bad,
  });
  for (const each of warnings) warn(each);
  return newer;
}
