// Turns a bundle's file into a folder, and makes sure that the folder is what it should be before anybody sees it.
import { chmod, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { extract, type ReadEntry } from 'tar';
import { syncTree } from './durable.ts';
import { readBundleManifest } from './install-kind.ts';
import { type BundleTarget, programOf } from './layout.ts';
import { installError, UpdateError } from './update-error.ts';

/** A bundle is some 0.7 GB with 6,000 files; what says it is more than these is no bundle of ours. */
const UNPACKED_BYTES_MAX = 8 * 1024 ** 3;
const ENTRIES_MAX = 100_000;

export type UnpackOptions = {
  readonly file: string;
  /** Must not exist. */
  readonly folder: string;
  readonly version: string;
  readonly target: BundleTarget;
};

/** Afterwards everything is on the device. */
export async function unpackBundle({ file, folder, version, target }: UnpackOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  let bytes = 0;
  let entries = 0;
  let refused: string | undefined;
  const accept = (name: string, entry: ReadEntry | object): boolean => {
    const { type = '', size = 0 } = entry as { type?: string; size?: number };
    bytes += size;
    entries += 1;
    if (type !== 'File' && type !== 'OldFile' && type !== 'Directory') refused ??= `${name} is a ${type}`;
    if (bytes > UNPACKED_BYTES_MAX || entries > ENTRIES_MAX) refused ??= 'it holds far too much';
    return refused === undefined;
  };
  try {
    // One folder around everything, as archives have it. Paths that lead out of the folder are refused by `strict`.
    await extract({ file, cwd: folder, strip: 1, strict: true, filter: accept, preserveOwner: false });
  } catch (thrown) {
    if (isOfTheDisk(thrown)) throw installError(folder, thrown);
    throw broken(version, 'it cannot be unpacked', thrown);
  }
  if (refused !== undefined) throw broken(version, refused);
  await examine(folder, version, target);
  await syncTree(folder);
}

async function examine(folder: string, version: string, target: BundleTarget): Promise<void> {
  const manifest = readBundleManifest(folder);
  if (manifest === undefined) throw broken(version, 'it has no bundle.json');
  if (manifest.version !== version) throw broken(version, `it holds version ${manifest.version}`);
  if (manifest.platform !== target.platform || manifest.arch !== target.arch) {
    throw broken(version, `it is for ${manifest.platform}-${manifest.arch}`);
  }
  const { node, bin, launcher } = programOf(folder);
  for (const file of [node, bin, launcher]) {
    const isFile = await stat(file).then(
      (stats) => stats.isFile(),
      () => false,
    );
    if (!isFile) throw broken(version, `${path.relative(folder, file)} is missing`);
  }
  if (process.platform !== 'win32') await chmod(node, 0o755);
}

function broken(version: string, why: string, cause?: unknown): UpdateError {
  const message = `the bundle of ${version} is broken: ${why}; it is not used`;
  return new UpdateError('BUNDLE_BROKEN', message, cause === undefined ? undefined : { cause });
}

function isOfTheDisk(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' && ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO'].includes(code);
}
