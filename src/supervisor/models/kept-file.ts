// One small file that the worker keeps beside its configuration: read once, replaced whole, and set aside when what stands
// in it makes no sense, so that nothing of it is lost and the worker starts all the same.
import { access, readFile, rename, stat } from 'node:fs/promises';
import { codeOf, writeFileAtomically } from '../config/write-file.ts';
import type { Logs } from '../logs/logs.ts';

/** A file of ours is far smaller. What is larger is somebody else's, and reading it could take all memory. */
const BYTES_MAX = 32 * 1024 * 1024;

export type KeptFileOptions<T> = {
  readonly path: string;
  /** What the log calls it: `models`, `residency`. */
  readonly target: string;
  /** Throws an `Error` that says what is wrong. */
  readonly parse: (text: string) => T;
  readonly logs: Pick<Logs, 'warn' | 'error'>;
};

export type KeptFile<T> = {
  /** Undefined when there was none, or none that made sense. */
  readonly found: T | undefined;
  /** False: it is there and cannot be read, so it is not replaced either, and nothing is kept in this run. */
  readonly writable: boolean;
  /** Rejects when the disk refuses. Does nothing for a file that is not `writable`. */
  write(text: string): Promise<void>;
};

export async function openKeptFile<T>({ path, target, parse, logs }: KeptFileOptions<T>): Promise<KeptFile<T>> {
  const write = (text: string): Promise<void> => writeFileAtomically(path, text);
  try {
    const text = await readKeptText(path);
    if (text === undefined) return { found: undefined, writable: true, write };
    try {
      return { found: parse(text), writable: true, write };
    } catch (thrown) {
      const aside = await setAside(path);
      logs.warn(target, 'the file makes no sense and was set aside', { path, aside, why: whyOf(thrown) });
      return { found: undefined, writable: true, write };
    }
  } catch (thrown) {
    logs.error(target, 'the file cannot be used, so changes are not kept in this run', { path, why: whyOf(thrown) });
    return { found: undefined, writable: false, write: async () => {} };
  }
}

/** Like `JSON.parse`, whose own message would quote the file. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
}

/** Undefined when there is no such file. */
export async function readKeptText(path: string): Promise<string | undefined> {
  try {
    const stats = await stat(path);
    // Reading a pipe would wait without end.
    if (!stats.isFile()) throw new Error('it is not an ordinary file');
    if (stats.size > BYTES_MAX) throw new Error(`it is larger than ${BYTES_MAX} bytes`);
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Never over an earlier one, which may hold what its owner still wants. */
async function setAside(path: string): Promise<string> {
  const base = `${path}.corrupt-${Math.floor(Date.now() / 1000)}`;
  for (let count = 1; ; count += 1) {
    const aside = count === 1 ? base : `${base}-${count}`;
    const taken = await access(aside).then(
      () => true,
      () => false,
    );
    if (taken) continue;
    await rename(path, aside);
    return aside;
  }
}

function whyOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
