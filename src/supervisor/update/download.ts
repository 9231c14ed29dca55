// Fetches a bundle into a file and checks it against its checksum. Nothing of it is used before every check has passed:
// the size that the feed names, the size that the server names, and the digest, which must be there.
import { createHash } from 'node:crypto';
import { mkdir, open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { parseChecksum } from './checksum.ts';
import { get, readText } from './fetch.ts';
import type { Asset } from './releases.ts';
import { UpdateError } from './update-error.ts';

/** The largest file that a release of GitHub's can hold. */
const BUNDLE_BYTES_MAX = 2 * 1024 ** 3;
const CHECKSUM_BYTES_MAX = 4096;
const CHECKSUM_MS_MAX = 60_000;

/** Silence after which a download is given up, in ms; the whole may take an hour, for slow lines. */
const STALL_MS = 60_000;
const BUNDLE_MS_MAX = 3_600_000;

/** A bundle takes this many times its packed size once it is unpacked; both are there for a while. */
const UNPACKED_RATIO = 4;

export type DownloadOptions = {
  readonly asset: Asset;
  readonly feed: string;
  /** Is written over. */
  readonly file: string;
  readonly signal?: AbortSignal | undefined;
};

export async function downloadBundle({ asset, feed, file, signal }: DownloadOptions): Promise<void> {
  const feedUrl = new URL(feed);
  const digest = await fetchChecksum(asset, feedUrl, signal);
  const limit = AbortSignal.timeout(BUNDLE_MS_MAX);
  await using answer = await get({
    url: asset.url,
    what: asset.name,
    feed: feedUrl,
    failure: 'DOWNLOAD_FAILED',
    accept: 'application/octet-stream',
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    stallMs: STALL_MS,
  });
  const bytes = expectedBytes(asset, answer.contentLength);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
  await assertRoom(path.dirname(file), bytes);
  const hash = createHash('sha256');
  await using handle = await open(file, 'w', 0o644);
  let written = 0;
  for await (const piece of answer.body) {
    written += piece.length;
    if (written > bytes) break;
    hash.update(piece);
    await handle.writeFile(piece);
  }
  if (written !== bytes) throw wrongSize(asset.name, `${written > bytes ? 'more' : written} bytes came`, bytes);
  if (hash.digest('hex') !== digest) {
    throw new UpdateError(
      'CHECKSUM_MISMATCH',
      `${asset.name} does not match its checksum, so it is not used: it was damaged on the way, or is not the released file`,
    );
  }
  await handle.sync();
}

async function fetchChecksum(asset: Asset, feed: URL, signal: AbortSignal | undefined): Promise<string> {
  const limit = AbortSignal.timeout(CHECKSUM_MS_MAX);
  const url = URL.canParse(asset.url) ? new URL(asset.url) : undefined;
  // Beside the file, also when its address has a query.
  if (url !== undefined) url.pathname += '.sha256';
  await using answer = await get({
    url: url?.href ?? asset.url,
    what: `the checksum of ${asset.name}`,
    feed,
    // Without a checksum anybody between here and there could choose what this machine runs.
    failure: 'CHECKSUM_MISSING',
    accept: 'text/plain, application/octet-stream',
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    stallMs: CHECKSUM_MS_MAX,
  });
  const text = await readText(answer, CHECKSUM_BYTES_MAX, () => {
    return new UpdateError('CHECKSUM_MISSING', `the checksum of ${asset.name} is too long to be one`);
  });
  return parseChecksum(text, asset.name);
}

function expectedBytes(asset: Asset, contentLength: number | undefined): number {
  if (contentLength === undefined) {
    throw new UpdateError('SIZE_MISMATCH', `the server does not say how long ${asset.name} is, so it is not taken`);
  }
  if (asset.sizeBytes !== undefined && asset.sizeBytes !== contentLength) {
    throw wrongSize(asset.name, `the server offers ${contentLength}`, asset.sizeBytes);
  }
  if (contentLength > BUNDLE_BYTES_MAX) {
    throw new UpdateError('SIZE_MISMATCH', `${asset.name} is larger than any bundle (${contentLength} bytes)`);
  }
  return contentLength;
}

async function assertRoom(folder: string, packedBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const neededBytes = packedBytes * (1 + UNPACKED_RATIO);
  if (bavail * bsize >= neededBytes) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
  throw new UpdateError(
    'DISK_FULL',
    `the update needs ${mib(neededBytes)} in ${folder}, ${mib(bavail * bsize)} are free: make room`,
  );
}

function wrongSize(name: string, said: string, bytes: number): UpdateError {
  return new UpdateError('SIZE_MISMATCH', `${name} should have ${bytes} bytes, but ${said}; it is not used`);
}
