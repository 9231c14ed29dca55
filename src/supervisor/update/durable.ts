// Steps on the disk that are done or not done, whatever cuts them off: each prepares beside its target and then renames.
import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Leftovers of steps that were cut off carry this; `repair` removes them. */
export const UNFINISHED = '.unfinished';

export function unfinishedName(target: string): string {
  return path.join(path.dirname(target), `${path.basename(target)}.${randomBytes(4).toString('hex')}${UNFINISHED}`);
}

export async function writeDurably(file: string, text: string, mode = 0o644): Promise<void> {
  const temporary = unfinishedName(file);
  try {
    await using handle = await open(temporary, 'wx', mode);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await syncFolder(path.dirname(file));
}

/** Windows refuses while a virus scanner looks at what has just been written. */
export async function renamePatiently(from: string, to: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await rename(from, to);
    } catch (thrown) {
      const { code = '' } = thrown as { code?: string };
      if (process.platform !== 'win32' || tries === 50 || !['EPERM', 'EACCES', 'EBUSY'].includes(code)) throw thrown;
      await sleep(200);
    }
  }
}

export async function removeDurably(file: string): Promise<void> {
  await rm(file, { force: true, recursive: true });
  await syncFolder(path.dirname(file));
}

/** Makes a rename durable. Windows cannot open a folder, and some file systems refuse; the rename itself stays atomic. */
export async function syncFolder(dir: string): Promise<void> {
  try {
    await using handle = await open(dir, 'r');
    await handle.sync();
  } catch {}
}

/** Everything below `dir` is on the device afterwards, so that a rename cannot outlive what it names. */
export async function syncTree(dir: string): Promise<void> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const next = files[Symbol.iterator]();
  // The device merges what is flushed at one time; one after the other would take minutes for thousands of files.
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const file of next) {
        await using handle = await open(file, 'r+').catch(() => open(file, 'r'));
        await handle.sync().catch(() => {});
      }
    }),
  );
  await Promise.all(
    entries.filter((each) => each.isDirectory()).map((each) => syncFolder(path.join(each.parentPath, each.name))),
  );
  await syncFolder(dir);
}

export type Pointer = 'current' | 'previous';

/** The version that a pointer names; undefined when there is none or it is nothing of ours. */
export async function readPointer(
  root: string,
  pointer: Pointer,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  try {
    const text =
      platform === 'win32'
        ? await readFile(path.join(root, `${pointer}.txt`), 'utf8')
        : path.basename(await readlink(path.join(root, pointer)));
    return text.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Flips a pointer in one step: whoever looks sees the old version or the new one. */
export async function flipPointer(
  root: string,
  pointer: Pointer,
  version: string,
  platform: NodeJS.Platform = process.platform,
): Promise<void> {
  // A link to a folder cannot be replaced in one step on Windows, and needs rights that users do not have.
  if (platform === 'win32') return writeDurably(path.join(root, `${pointer}.txt`), `${version}\r\n`);
  const target = path.join(root, pointer);
  const temporary = unfinishedName(target);
  await symlink(path.posix.join('versions', version), temporary);
  try {
    // Somebody may have put a real folder there; renaming over it would fail with a message that says nothing.
    if (await isFolder(target)) throw new Error(`${target} is a folder, not a link: move it away`);
    await rename(temporary, target);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await syncFolder(root);
}

async function isFolder(name: string): Promise<boolean> {
  return lstat(name).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
