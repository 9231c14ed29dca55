// Clears away what steps that were cut off have left, and versions that nobody needs any more. Under the lock of the
// installation, so that nothing of it is being made right now.
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { readPointer, renamePatiently, UNFINISHED, unfinishedName } from './durable.ts';
import { isVersionInUse } from './install-lock.ts';
import { type Layout, versionFolder } from './layout.ts';
import { parseVersion } from './releases.ts';
import { readUpdateState } from './update-state.ts';

/** An installer that still runs has touched its folder in this time, in ms. */
const INSTALL_MS_MAX = 24 * 3_600_000;

/** Never throws: what cannot be removed now is tried again with the next update. */
export async function removeLeftovers(layout: Layout): Promise<void> {
  await removeIn(layout.downloads, () => true);
  await removeIn(layout.root, (name) => name.startsWith('.install.'), INSTALL_MS_MAX);
  for (const folder of [layout.root, path.dirname(layout.command), layout.versions]) {
    await removeIn(folder, (name) => name.endsWith(UNFINISHED));
  }
}

/** Keeps the current, the previous and the wanted version, `also`, and those that some process runs from. */
export async function removeOldVersions(layout: Layout, also: readonly string[] = []): Promise<string[]> {
  const current = await readPointer(layout.root, 'current');
  // Without it, which ones are old is not known.
  if (current === undefined) return [];
  const { wanted } = await readUpdateState(layout);
  const kept = new Set([current, await readPointer(layout.root, 'previous'), wanted, ...also]);
  const removed: string[] = [];
  for (const version of await namesIn(layout.versions)) {
    if (kept.has(version) || parseVersion(version) === undefined) continue;
    const folder = versionFolder(layout, version);
    if (await isVersionInUse(folder)) continue;
    await removeVersion(folder).then(
      () => removed.push(version),
      () => {},
    );
  }
  return removed;
}

/** Renamed first: a version that is half gone must not be taken for one that is there. */
export async function removeVersion(folder: string): Promise<void> {
  const doomed = unfinishedName(folder);
  await renamePatiently(folder, doomed);
  await rm(doomed, { recursive: true, force: true });
}

async function removeIn(folder: string, matches: (name: string) => boolean, ageMs = 0): Promise<void> {
  for (const name of (await namesIn(folder)).filter(matches)) {
    const file = path.join(folder, name);
    if (ageMs > 0 && Date.now() - (await stat(file).catch(() => ({ mtimeMs: 0 }))).mtimeMs < ageMs) continue;
    await rm(file, { recursive: true, force: true }).catch(() => {});
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
