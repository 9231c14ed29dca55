// One look at the feed, for the automatic updater and for `check-update` alike.
import { fetchReleases } from './feed.ts';
import { newestAbove, parseVersion, type Release } from './releases.ts';
import { UpdateError } from './update-error.ts';

export type CheckOptions = {
  readonly feed: string;
  readonly running: string;
  readonly allowPrerelease: boolean;
  readonly bad: ReadonlySet<string>;
  readonly signal?: AbortSignal;
};
export type Checked = { readonly newer: Release | undefined; readonly warnings: readonly string[] };

export async function checkForUpdate({ feed, signal, ...choice }: CheckOptions): Promise<Checked> {
  const { releases, warnings } = await fetchReleases({ feed, signal });
  return { newer: newestAbove(releases, choice), warnings };
}

/** A version that somebody names: older ones, prereleases and those that are remembered as bad as well. */
export async function findRelease(feed: string, wanted: string): Promise<Release> {
  const version = parseVersion(wanted.replace(/^v/, ''))?.version;
  if (version === undefined) {
    throw new UpdateError('VERSION_UNKNOWN', `${JSON.stringify(wanted)} is no version such as 1.2.3`);
  }
  const { releases } = await fetchReleases({ feed });
  const found = releases.find((release) => release.version === version);
  if (found !== undefined) return found;
  const known = releases.map((release) => release.version).slice(0, 10);
  const there = known.length === 0 ? 'it has no releases' : `it has ${known.join(', ')}`;
  throw new UpdateError('VERSION_UNKNOWN', `the feed has no version ${version}; ${there}`);
}
