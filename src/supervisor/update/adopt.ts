// Takes an unpacked version into use without a trial: what the installer does at the end. Doing it again changes nothing.
import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { flipPointer, readPointer, removeDurably, writeDurably } from './durable.ts';
import { readBundleManifest } from './install-kind.ts';
import { takeInstallLock } from './install-lock.ts';
import { launchScript } from './launch-script.ts';
import { type Layout, versionFolder } from './layout.ts';
import { removeLeftovers, removeOldVersions } from './repair.ts';
import { UpdateError } from './update-error.ts';
import { readUpdateState, withGood, writeUpdateState } from './update-state.ts';

/** A worker of the same installation may be in the middle of an update. */
const LOCK_MS_MAX = 300_000;

export async function adoptVersion(layout: Layout, version: string): Promise<void> {
  const manifest = readBundleManifest(versionFolder(layout, version));
  if (manifest?.version !== version) {
    throw new UpdateError('VERSION_UNKNOWN', `there is no version ${version} in ${layout.versions}`);
  }
  await using _lock = await takeInstallLock(layout, LOCK_MS_MAX);
  await removeLeftovers(layout);
  await mkdir(path.dirname(layout.command), { recursive: true, mode: 0o755 });
  await writeDurably(layout.command, launchScript(layout.root, process.platform), 0o755);
  // Whatever the umask took away.
  if (process.platform !== 'win32') await chmod(layout.command, 0o755);
  // Whoever runs the installer has chosen this version, also when it was rolled back before.
  await writeUpdateState(layout, withGood(await readUpdateState(layout), version));
  const current = await readPointer(layout.root, 'current');
  if (current !== undefined && current !== version) await flipPointer(layout.root, 'previous', current);
  await flipPointer(layout.root, 'current', version);
  await removeDurably(layout.probation);
  await removeOldVersions(layout);
}
