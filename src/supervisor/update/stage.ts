// Puts a release into `versions/`, checked and whole, without touching what runs. Every step can be cut off: the folder
// appears with one rename at the very end, and what lies around before is cleared away at the next start of this.
import { access, constants, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { downloadBundle } from './download.ts';
import { renamePatiently, syncFolder, unfinishedName } from './durable.ts';
import { isVersionInUse, takeInstallLock } from './install-lock.ts';
import { bundleName, type Layout, type Variant, versionFolder } from './layout.ts';
import { bundleFor, type Release } from './releases.ts';
import { removeLeftovers, removeVersion } from './repair.ts';
import { unpackBundle } from './unpack.ts';
import { installError } from './update-error.ts';
import { badVersions, readUpdateState } from './update-state.ts';

export type StageOptions = {
  readonly layout: Layout;
  readonly release: Release;
  readonly variant: Variant;
  readonly feed: string;
  readonly signal?: AbortSignal | undefined;
  /** Told before each step, for a progress line or a log. */
  readonly atStep?: ((step: StageStep) => void) | undefined;
  readonly note?: ((text: string) => void) | undefined;
};
export type StageStep = 'lock' | 'clear' | 'download' | 'unpack' | 'place' | 'remove-download' | 'staged';

export async function stageRelease(options: StageOptions): Promise<void> {
  const { layout, release } = options;
  // Known before anything is made or fetched.
  const chosen = bundleFor(release, { platform: process.platform, arch: process.arch, variant: options.variant });
  try {
    options.atStep?.('lock');
    await assertWritable(layout);
    await using _lock = await takeInstallLock(layout);
    options.atStep?.('clear');
    await removeLeftovers(layout);
    const folder = versionFolder(layout, release.version);
    if (await isFolder(folder)) {
      // Whole, since it appeared with a rename. One that did not become healthy is fetched anew: it may be damaged.
      const isBad = badVersions(await readUpdateState(layout)).has(release.version);
      if (!isBad || (await isVersionInUse(folder))) return options.atStep?.('staged');
      await removeVersion(folder);
    }
    if (chosen.note !== undefined) options.note?.(chosen.note);
    const file = path.join(layout.downloads, bundleName(release.version, chosen.target));
    options.atStep?.('download');
    await downloadBundle({ asset: chosen.asset, feed: options.feed, file, signal: options.signal });
    options.atStep?.('unpack');
    const unpacked = unfinishedName(folder);
    await unpackBundle({ file, folder: unpacked, version: release.version, target: chosen.target });
    options.atStep?.('place');
    await renamePatiently(unpacked, folder);
    await syncFolder(layout.versions);
    options.atStep?.('remove-download');
    await rm(file, { force: true });
    options.atStep?.('staged');
  } catch (thrown) {
    await removeLeftovers(layout).catch(() => {});
    if (options.signal?.aborted) throw options.signal.reason;
    throw installError(layout.root, thrown);
  }
}

async function assertWritable({ root, versions }: Layout): Promise<void> {
  await mkdir(versions, { recursive: true, mode: 0o755 });
  for (const folder of [root, versions]) await access(folder, constants.W_OK);
}

async function isFolder(name: string): Promise<boolean> {
  return stat(name).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
