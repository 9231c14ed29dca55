// Unpacks a release archive with a program of the system: `unzip`, the `tar` of Windows and macOS, or Python, since Node
// has no reader for zip files. What comes out is not trusted: only plain files are taken from it, by their base names, so
// no name in the archive can point out of the folder.
import { chmod, lstat, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';

/** Unpacks `archive` into `dir`, which is empty. */
export type Unzip = (archive: string, dir: string, signal: AbortSignal) => Promise<void>;

const UNPACK_MS_MAX = 120_000;

export const systemUnzip: Unzip = async (archive, dir, signal) => {
  const attempts: [string, string[]][] = [
    ['unzip', ['-q', '-o', archive, '-d', dir]],
    ['tar', ['-xf', archive, '-C', dir]],
    // Servers of Ubuntu have no unzip, and GNU's tar reads no zip files.
    ['python3', ['-m', 'zipfile', '-e', archive, dir]],
  ];
  // `unzip` is of no use there when it comes with a shell for Unix programs.
  if (process.platform === 'win32') attempts.shift();
  const words: string[] = [];
  for (const [program, args] of attempts) {
    const done = await execa(program, args, {
      reject: false,
      stdin: 'ignore',
      cancelSignal: signal,
      timeout: UNPACK_MS_MAX,
    });
    signal.throwIfAborted();
    // unzip ends with 1 after a warning, such as a name that pointed out of the folder; it has then left that part out.
    if (!done.failed || (program === 'unzip' && done.exitCode === 1)) return;
    words.push(`${program}: ${(done.stderr || done.shortMessage || '').trim().split('\n')[0]}`);
  }
  throw new Failure('ENGINE_UNAVAILABLE', `the archive cannot be unpacked (${words.join('; ')}); install \`unzip\``);
};

/**
 * Moves every file below `from` into `to`, without its folders, ready to run. A link is kept when it names a file beside
 * it, as shared libraries have it; any other is left out. Returns the names.
 */
export async function flatten(from: string, to: string): Promise<string[]> {
  await mkdir(to, { recursive: true });
  const names: string[] = [];
  for (const path of await walk(from)) {
    const name = basename(path);
    const target = join(to, name);
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) {
      const link = await readlink(path);
      if (link !== basename(link)) continue;
      await rm(target, { force: true });
      await symlink(link, target);
    } else {
      await chmod(path, 0o755);
      // Replaces a program that is running now, which goes on with the old file.
      await rename(path, target);
    }
    names.push(name);
  }
  return names;
}

async function walk(dir: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) paths.push(...(await walk(path)));
    else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
  }
  return paths;
}
