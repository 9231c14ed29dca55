// A model file that is already on this machine: downloaded earlier, put there by the operator, or left by an older
// version. Finds it, makes sure that it is the right one, and sets a wrong one aside.
import { rename, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { EngineLogLevel } from '../engine.ts';
import { digestOf } from './digest.ts';
import { type Manifest, type ManifestEntry, remember } from './manifest.ts';

/** An offer says about how large a file is. A truncated download is almost always further off. */
const SIZE_TOLERANCE = 0.1;

export type WantedFile = {
  readonly filename: string;
  readonly folder: string;
  /** Where it belongs. */
  readonly target: string;
  readonly legacy: readonly string[];
  /** Without what is secret in it. */
  readonly url: string;
  /** Lower-case hex. */
  readonly sha256: string | undefined;
  readonly approxBytes: number | undefined;
};

export type LocalFile = { readonly path: string; readonly size: number };

type Seen = LocalFile & {
  readonly mtimeMs: number;
  readonly legacy: boolean;
  readonly entry: ManifestEntry | undefined;
};

/** The file, if that can be said without reading it. */
export async function knownFile(wanted: WantedFile, manifest: Manifest): Promise<LocalFile | undefined> {
  for (const seen of await look(wanted, manifest)) if (isKnown(seen, wanted)) return seen;
  return undefined;
}

export type VerifyContext = {
  readonly signal: AbortSignal;
  /** Nothing can be written here, so a wrong file stays. */
  readonly readOnly: boolean;
  alive(): void;
  log(level: EngineLogLevel, message: string): void;
};

/** As `knownFile`, but reads files whose digest is not known yet. A wrong one is out of the way afterwards. */
export async function verifiedFile(
  wanted: WantedFile,
  manifest: Manifest,
  context: VerifyContext,
): Promise<LocalFile | undefined> {
  const { sha256 } = wanted;
  for (const seen of await look(wanted, manifest)) {
    if (isKnown(seen, wanted)) return seen;
    if (sha256 !== undefined && mayFit(seen, wanted)) {
      context.log('info', `checking the sha256 of ${seen.path}`);
      const digest = seen.entry?.sha256 ?? (await digestOf(seen.path, context.signal, context.alive));
      if (digest === sha256) {
        await note(wanted, seen, sha256, context);
        return seen;
      }
    }
    if (!seen.legacy && !context.readOnly) await setAside(seen, wanted, context);
  }
  return undefined;
}

/** Writes down what was found out, so that the file is not read again. Without that the model can be used all the same. */
export async function note(
  { folder, filename, target, url }: WantedFile,
  { path, size }: LocalFile,
  sha256: string,
  { signal, readOnly, log }: Pick<VerifyContext, 'signal' | 'readOnly' | 'log'>,
): Promise<void> {
  if (readOnly) return;
  try {
    const mtimeMs = Math.floor((await stat(path)).mtimeMs);
    const elsewhere = path === target ? {} : { path: relative(folder, path) };
    await remember(
      folder,
      filename,
      { url, sha256, size, mtimeMs, date: new Date().toISOString(), ...elsewhere },
      signal,
    );
  } catch (thrown) {
    signal.throwIfAborted();
    log('warn', `the manifest in ${folder} could not be written: ${(thrown as Error).message}`);
  }
}

async function look({ filename, folder, target, legacy }: WantedFile, manifest: Manifest): Promise<Seen[]> {
  const found = await Promise.all(
    [target, ...legacy].map(async (path): Promise<Seen | undefined> => {
      const stats = await stat(path).catch(() => undefined);
      if (stats === undefined) return undefined;
      if (!stats.isFile() && path === target)
        throw new Failure('MODELS_UNWRITABLE', `${path} is not a file: remove it`);
      if (!stats.isFile()) return undefined;
      const [size, mtimeMs] = [stats.size, Math.floor(stats.mtimeMs)];
      const entry = manifest[filename];
      const fits =
        entry?.size === size && entry.mtimeMs === mtimeMs && (entry.path ?? filename) === relative(folder, path);
      return { path, size, mtimeMs, legacy: path !== target, entry: fits ? entry : undefined };
    }),
  );
  return found.filter((seen) => seen !== undefined);
}

function isKnown(seen: Seen, { url, sha256, approxBytes }: WantedFile): boolean {
  const { entry } = seen;
  if (sha256 !== undefined) return entry?.sha256 === sha256;
  if (entry !== undefined) return entry.url === url;
  // Names such as `ae.safetensors` are shared by many models, so outside its own folder a name alone proves nothing.
  if (approxBytes === undefined) return !seen.legacy && seen.size > 0;
  return isNear(seen.size, approxBytes);
}

/** Whether the file is worth reading for its digest. */
function mayFit({ legacy, size }: Seen, { approxBytes }: WantedFile): boolean {
  return !legacy || approxBytes === undefined || isNear(size, approxBytes);
}

function isNear(size: number, approxBytes: number): boolean {
  return Math.abs(size - approxBytes) <= approxBytes * SIZE_TOLERANCE;
}

async function setAside(seen: Seen, { sha256, approxBytes }: WantedFile, { log }: VerifyContext): Promise<void> {
  const aside = `${seen.path}.set-aside`;
  await rename(seen.path, aside);
  const expected = sha256 === undefined ? `about ${approxBytes ?? 'some'} bytes` : `the sha256 ${sha256}`;
  log(
    'warn',
    `${seen.path} (${seen.size} bytes) is not the file that the offer means (${expected}): it is now ${aside}, and can be deleted`,
  );
}
