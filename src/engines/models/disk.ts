// Whether a download fits on the disk, asked before its first byte.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../../protocol/failure.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Throws `DISK_FULL` when fewer than `bytes` are free where `path` is or will be. A file system that cannot tell is trusted. */
export async function checkDisk(path: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(path);
  if (free === undefined || free >= bytes) return;
  throw new Failure(
    'DISK_FULL',
    `${what} needs ${amount(bytes)} and ${amount(free)} are free in ${dirname(path)}: make room, or move \`models_root\``,
  );
}

/** Of the nearest ancestor that exists. */
async function freeBytes(path: string): Promise<number | undefined> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== 'ENOENT' || folder === dirname(folder)) return undefined;
    }
  }
}

/** Turns an error of the file system into what the operator can do about it. */
export function diskFailure(thrown: unknown, what: string): Failure {
  if (thrown instanceof Failure) return thrown;
  const { code, message } = thrown as { code?: unknown; message?: string };
  const cause = { cause: thrown };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure('DISK_FULL', `the disk filled up while ${what} was written: make room and try again`, cause);
  }
  return new Failure('MODELS_UNWRITABLE', `${what} could not be written to \`models_root\`: ${message}`, cause);
}

function amount(bytes: number): string {
  return bytes < GIB ? `${Math.ceil(bytes / MIB)} MiB` : `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 2 : 0)} GiB`;
}
