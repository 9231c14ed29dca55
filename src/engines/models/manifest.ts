// `manifest.json` of a model's folder: what each file is and where it came from, so that a file is hashed once and not at
// every load, and a person can see what lies there.
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { takeFileLock } from './file-lock.ts';

export const MANIFEST = 'manifest.json';

export type ManifestEntry = {
  /** Without what is secret in it. */
  readonly url: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly size: number;
  /** Of the file when it was hashed, in whole ms: another one means that it has to be looked at again. */
  readonly mtimeMs: number;
  /** When it was downloaded or first seen, ISO 8601. */
  readonly date: string;
  /** Where it really lies, when not in this folder. */
  readonly path?: string;
};

export type Manifest = Readonly<Record<string, ManifestEntry>>;

/** An unreadable manifest is none: its files are then looked at as if an operator had put them there. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => '');
  return parseManifest(text);
}

export function parseManifest(text: string): Manifest {
  try {
    const { files } = JSON.parse(text) as { files?: unknown };
    if (typeof files !== 'object' || files === null) return {};
    return Object.fromEntries(Object.entries(files).filter(([, entry]) => isEntry(entry)));
  } catch {
    return {};
  }
}

function isEntry(entry: unknown): entry is ManifestEntry {
  if (typeof entry !== 'object' || entry === null) return false;
  const { url, sha256, size, mtimeMs, path } = entry as Record<string, unknown>;
  const known = typeof url === 'string' && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256);
  return (
    known &&
    Number.isSafeInteger(size) &&
    Number.isSafeInteger(mtimeMs) &&
    ['string', 'undefined'].includes(typeof path)
  );
}

/** Adds or replaces one file's entry. Several downloads may finish in one folder at a time, also in other processes. */
export async function remember(
  folder: string,
  filename: string,
  entry: ManifestEntry,
  signal: AbortSignal,
): Promise<void> {
  const path = join(folder, MANIFEST);
  await using _lock = await takeFileLock(path, { signal });
  const files = { ...(await readManifest(folder)), [filename]: entry };
  const temporary = `${path}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify({ version: 1, files }, null, 2)}\n`, { flush: true });
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
}
