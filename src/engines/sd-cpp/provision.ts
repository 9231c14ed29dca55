// Installs stable-diffusion.cpp into <models_root>/bin: fetched through the same guard as inputs, checked against its
// digest, unpacked aside and moved in. A marker tells which archive the folder holds.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../../protocol/failure.ts';
import type { LoadContext } from '../engine.ts';
import { fetchInput } from '../inputs/fetch-input.ts';
import { releaseFor } from './release.ts';
import { flatten, systemUnzip, type Unzip } from './unzip.ts';

export type ProvisionOptions = Pick<LoadContext, 'signal' | 'settings' | 'progress' | 'log'> & {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly unzip?: Unzip;
};

/** The largest release asset with its runtime libraries is below half of this. */
const ARCHIVE_BYTES_MAX = 2 * 2 ** 30;
const MARKER = '.sd-cli-release';
/** The download tells no progress; the watchdog of a load is fed while the downloader has its own time limits. */
const FEED_MS = 10_000;

/** Whether the operator has named an archive that is not the one in <models_root>/bin. */
export async function isOutdated(modelsRoot: string, env: ProvisionOptions['env']): Promise<boolean> {
  const url = env.STUDIO_WORKER_SDCPP_URL?.trim();
  if (!url || !env.STUDIO_WORKER_SDCPP_SHA256?.trim()) return false;
  const marker = await readFile(join(modelsRoot, 'bin', MARKER), 'utf8').catch(() => '');
  return marker.trim() !== url;
}

export async function provision(options: ProvisionOptions): Promise<void> {
  const { settings, signal, env, log, unzip = systemUnzip } = options;
  const release = releaseFor(env, { platform: process.platform, arch: process.arch });
  const { modelsRoot } = settings;
  await mkdir(modelsRoot, { recursive: true });
  // On the disk of its destination, so that the last step is a rename.
  const staging = await mkdtemp(join(modelsRoot, '.sd-cli-staging-'));
  const feed = setInterval(() => options.progress(0), FEED_MS);
  try {
    log('info', `installing stable-diffusion.cpp from ${release.url}`);
    const unpacked = join(staging, 'unpacked');
    await mkdir(unpacked);
    const { path } = await fetchInput(release.url, {
      dir: staging,
      maxBytes: ARCHIVE_BYTES_MAX,
      signal,
      network: settings.network,
      what: 'the release of stable-diffusion.cpp',
    });
    await checkDigest(path, release.sha256, signal);
    await unzip(path, unpacked, signal);
    const bin = join(modelsRoot, 'bin');
    const names = await flatten(unpacked, bin);
    if (!names.some((name) => /^sd-(cli|server)(\.exe)?$/.test(name))) {
      throw new Failure('ENGINE_UNAVAILABLE', `the archive ${release.url} holds neither sd-cli nor sd-server`);
    }
    await writeFile(join(bin, MARKER), `${release.url}\n`);
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof Failure && thrown.code !== 'INPUT_INVALID') throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Failure('ENGINE_UNAVAILABLE', `stable-diffusion.cpp could not be installed: ${why}`, { cause: thrown });
  } finally {
    clearInterval(feed);
    await rm(staging, { recursive: true, force: true });
  }
}

async function checkDigest(path: string, wanted: string, signal: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  const got = hash.digest('hex');
  if (got === wanted) return;
  throw new Failure('ENGINE_UNAVAILABLE', `the archive has sha256 ${got} instead of ${wanted}; nothing was installed`);
}
