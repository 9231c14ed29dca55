// The model store: brings every file of a model source to this machine before its engine loads it. Runs in the thread
// that drives the engine, never in the supervisor and never in an engine process.
//
//   known ─────────────────────────────────────────────→ used as it is
//   not known ─lock→ there, and the digest fits ──────────→ written down, used
//                    there, and wrong ─set aside→ ┐
//                    not there ───────────────────┴ download ─→ written down, used
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { ModelFile } from '../../protocol/index.ts';
import type { LoadContext, LocalModelFile, ModelRef } from '../engine.ts';
import { openGuardedFileAgent } from '../network/guarded-agent.ts';
import { lastingUrl, publicUrl } from '../network/url-rule.ts';
import { diskFailure } from './disk.ts';
import { download, RETRY_TIMES, type RetryTimes } from './download.ts';
import { takeFileLock } from './file-lock.ts';
import { isReservedName, legacyPaths, modelFolder } from './folder.ts';
import { hubOf, isHubUrl } from './hub.ts';
import { knownFile, type LocalFile, note, verifiedFile, type WantedFile } from './local-file.ts';
import { readManifest } from './manifest.ts';
import { type FetchProgress, openFetchProgress } from './progress.ts';
import { openSteps } from './steps.ts';

export type StoreContext = Pick<LoadContext, 'signal' | 'settings' | 'progress' | 'log'> & {
  /** Silence of a server after which its connection is given up, in ms. Default 30 000. */
  readonly stallMs?: number;
  readonly retry?: RetryTimes;
  /** Bytes of one file that came over the network, told when its download has ended, well or not. */
  readonly received?: (bytes: number) => void;
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/** Rejects with a `Failure` that says what to do, or with the signal's reason; a download that began is then gone on with. */
export async function ensureModelFiles(model: ModelRef, context: StoreContext): Promise<LocalModelFile[]> {
  const { files } = model.source;
  checkNames(files);
  const progress = openFetchProgress(files, context.progress);
  const local: LocalModelFile[] = [];
  for (const file of files) {
    context.signal.throwIfAborted();
    const { path, size } = await ensureFile(file, wantedFile(model, file, context), context, progress);
    progress.done(file.filename, size);
    local.push({ role: file.role, filename: file.filename, path });
  }
  return local;
}

function checkNames(files: readonly ModelFile[]): void {
  const urls = new Map<string, string>();
  for (const { filename, url } of files) {
    if (isReservedName(filename)) {
      throw new Failure(
        'INPUT_INVALID',
        `a model file must not be called \`${filename}\`: the model store uses that name`,
      );
    }
    if ((urls.get(filename) ?? url) !== url) {
      throw new Failure('INPUT_INVALID', `two files of the model are both called \`${filename}\``);
    }
    urls.set(filename, url);
  }
}

function wantedFile({ model }: ModelRef, file: ModelFile, { settings: { modelsRoot } }: StoreContext): WantedFile {
  const { filename, url, sha256, approxBytes } = file;
  const folder = modelFolder(modelsRoot, model);
  return {
    filename,
    folder,
    target: join(folder, filename),
    legacy: legacyPaths(modelsRoot, model, filename),
    url: lastingUrl(url),
    sha256: sha256?.toLowerCase(),
    // 0 is what a catalogue says when it does not know.
    approxBytes: approxBytes || undefined,
  };
}

async function ensureFile(
  file: ModelFile,
  wanted: WantedFile,
  context: StoreContext,
  progress: FetchProgress,
): Promise<LocalFile> {
  const { folder, target } = wanted;
  const { signal, log } = context;
  const known = await knownFile(wanted, await readManifest(folder));
  if (known) return known;

  const what = `the file ${wanted.filename} of ${publicUrl(file.url)}`;
  const verify = { signal, log, alive: progress.alive };
  let lock: AsyncDisposable;
  try {
    await mkdir(folder, { recursive: true });
    lock = await takeFileLock(target, {
      signal,
      waiting(tries) {
        if (tries === 1) log('info', `waiting for ${what}: it is being downloaded for another job`);
        progress.alive();
      },
    });
  } catch (thrown) {
    signal.throwIfAborted();
    // A folder that is shared read-only may hold the right file all the same.
    const there = await verifiedFile(wanted, await readManifest(folder), { ...verify, readOnly: true });
    if (there) return there;
    throw diskFailure(thrown, what);
  }
  await using _lock = lock;
  const there = await verifiedFile(wanted, await readManifest(folder), { ...verify, readOnly: false }).catch(
    (thrown) => {
      signal.throwIfAborted();
      throw diskFailure(thrown, what);
    },
  );
  // Awaited here: the lock is given back as soon as this function returns, also when what it returns is a promise.
  return there ?? (await fetchFile(file, wanted, what, context, progress));
}

async function fetchFile(
  file: ModelFile,
  wanted: WantedFile,
  what: string,
  context: StoreContext,
  progress: FetchProgress,
): Promise<LocalFile> {
  const { signal, settings, log } = context;
  const { network } = settings;
  const { filename, target, url, sha256, approxBytes } = wanted;
  const hub = hubOf(context.env ?? process.env);
  const agent = openGuardedFileAgent(network, context.stallMs);
  let here = 0;
  let received = 0;
  let isBegun = false;
  const steps = openSteps((line) => log('info', `${filename}: ${line}`));
  try {
    const { size, sha256: digest } = await download(
      {
        ...{ what, url, fullUrl: file.url, target, sha256, approxBytes },
        ofHub: isHubUrl(file.url, hub),
        hasToken: hub.token !== undefined,
      },
      {
        ...{ agent, network, hub, signal, log, alive: progress.alive },
        retry: context.retry ?? RETRY_TIMES,
        arrived(bytes, total) {
          // The first call says what an earlier download has left, and a download may begin anew.
          if (isBegun && bytes > here) received += bytes - here;
          isBegun = true;
          here = bytes;
          progress.at(filename, bytes, total);
          steps.at(bytes, total ?? approxBytes);
        },
      },
    );
    steps.done(size);
    const local = { path: target, size };
    await note(wanted, local, digest, { signal, log, readOnly: false });
    return local;
  } finally {
    if (received > 0) context.received?.(received);
    await agent.destroy();
  }
}
