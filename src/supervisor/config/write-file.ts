// Replaces a file in one step: whoever reads it, at whatever moment and after whatever crash, sees the old or the new one.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readlink, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from './parse.ts';

/** Mode 0600, since the config holds tokens. Parents are created with 0700; those that are there keep their mode. */
export async function writeFileAtomically(file: string, text: string): Promise<void> {
  try {
    const target = await throughSymlink(file);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await replaceFile(target, text, 0o600);
  } catch (thrown) {
    throw new ConfigError(
      'CONFIG_UNWRITABLE',
      `cannot write ${file} (${codeOf(thrown)}). ${adviceFor(codeOf(thrown))}`,
      {
        cause: thrown,
      },
    );
  }
}

/** Beside the target first, so that a full disk leaves the old file, or none. Its folder must be there. */
export async function replaceFile(target: string, contents: string | Buffer, mode: number): Promise<void> {
  const dir = path.dirname(target);
  // In the same folder, because a rename is atomic within one file system only.
  const temporary = path.join(dir, `.${path.basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    await using handle = await open(temporary, 'wx', mode);
    await handle.writeFile(contents);
    await handle.sync();
    await handle.close();
    await rename(temporary, target);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await syncFolder(dir);
}

/** Makes a rename itself durable. Windows cannot open a folder, and some file systems refuse; the rename stays atomic. */
async function syncFolder(dir: string): Promise<void> {
  try {
    await using handle = await open(dir, 'r');
    await handle.sync();
  } catch {}
}

/** A config that is a link into somebody's dotfiles stays a link; its target is what changes. */
async function throughSymlink(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch {
    const isLink = await lstat(file).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    );
    return isLink ? path.resolve(path.dirname(file), await readlink(file)) : file;
  }
}

export function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : String(thrown);
}

/** For folders beside the config: an error of the file system as a sentence that names the folder. */
export function folderError(dir: string, cause: unknown): Error {
  const code = codeOf(cause);
  return new Error(`cannot write in the folder ${dir} (${code}). ${adviceFor(code)}`, { cause });
}

/** What the operator can do about an error of the file system. */
export function adviceFor(code: string): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'Give your user the right to use that folder, or name another file with --config.';
    case 'EROFS':
      return 'The folder is on a read-only file system: name another file with --config.';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'The disk is full: free some space and try again. Nothing was changed.';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'A part of that path is a file, not a folder: remove it, or name another file with --config.';
    default:
      return 'Check the path, or name another file with --config.';
  }
}
