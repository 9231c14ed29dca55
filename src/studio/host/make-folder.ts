// Makes a folder with its parents, or says which one could not be made and why.
import { mkdir } from 'node:fs/promises';

/** `what` names it in the error, e.g. `state folder`. A folder that is there keeps its mode. */
export async function makeFolder(folder: string, what: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    throw new Error(`the ${what} ${folder} cannot be made: ${REASONS[code] ?? code}`, { cause });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'there is a file of that name',
  ENOTDIR: 'a part of that path is a file',
  EACCES: 'your user may not write there',
  EPERM: 'your user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};
