// Asks the feed which releases there are. The answer is somebody else's: bounded in time and size, and JSON or nothing.
import { get, readText } from './fetch.ts';
import { parseReleases, type Releases } from './releases.ts';
import { UpdateError } from './update-error.ts';

/** For the whole answer, in ms. */
const FEED_MS_MAX = 15_000;

/** A page of 100 releases of GitHub's is some 1.5 MB. */
const FEED_BYTES_MAX = 8 * 1024 * 1024;

export type FeedOptions = {
  readonly feed: string;
  readonly signal?: AbortSignal | undefined;
  /** For tests of slow feeds. */
  readonly msMax?: number;
};

export async function fetchReleases({ feed, signal, msMax = FEED_MS_MAX }: FeedOptions): Promise<Releases> {
  const limit = AbortSignal.timeout(msMax);
  await using answer = await get({
    url: feed,
    what: 'the release feed',
    feed: new URL(feed),
    failure: 'FEED_UNREACHABLE',
    accept: 'application/vnd.github+json',
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    stallMs: msMax,
  });
  const text = await readText(answer, FEED_BYTES_MAX, () => {
    return new UpdateError('FEED_UNREADABLE', 'the release feed is far too long to be one: check auto_update_feed');
  });
  return parseReleases(parseJson(text));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not quoted: it may be the login page of a proxy, with whatever that puts into it.
    throw new UpdateError(
      'FEED_UNREADABLE',
      'the release feed is not JSON: check auto_update_feed, and whether something between here and there answers instead',
    );
  }
}
