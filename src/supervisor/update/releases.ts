// What a feed of releases says: which versions there are, and which is to be taken. Pure; the feed is somebody else's
// text, so one odd release is passed over and does not hide the others.
import { SemVer } from 'semver';
import { z } from 'zod';
import { type BundleTarget, bundleName } from './layout.ts';
import { UpdateError } from './update-error.ts';

export type Asset = { readonly name: string; readonly url: string; readonly sizeBytes: number | undefined };
export type Release = {
  readonly version: string;
  readonly prerelease: boolean;
  readonly assets: readonly Asset[];
};
export type Releases = { readonly releases: readonly Release[]; readonly warnings: readonly string[] };

const FeedAsset = z
  .object({ name: z.string(), browser_download_url: z.string(), size: z.int().nonnegative().optional() })
  .transform(({ name, browser_download_url, size }): Asset => ({ name, url: browser_download_url, sizeBytes: size }));

const FeedRelease = z.object({
  tag_name: z.string(),
  draft: z.boolean().default(false),
  prerelease: z.boolean().default(false),
  assets: z.array(z.unknown()).default([]),
});

/** A feed has some 30 releases a page; a warning for each of a thousand odd ones would only fill the log. */
const WARNINGS_MAX = 5;

/** The body is a list of releases, or one. Drafts are dropped. */
export function parseReleases(body: unknown): Releases {
  if (typeof body !== 'object' || body === null) {
    throw new UpdateError('FEED_UNREADABLE', 'the feed is not a list of releases: check auto_update_feed');
  }
  const warnings: string[] = [];
  const releases: Release[] = [];
  for (const raw of Array.isArray(body) ? body : [body]) {
    const parsed = FeedRelease.safeParse(raw);
    if (!parsed.success) {
      warnings.push('a release of the feed is passed over: it has no tag_name or odd flags');
      continue;
    }
    const { tag_name, draft, prerelease, assets } = parsed.data;
    if (draft) continue;
    const version = versionOfTag(tag_name);
    if (version === undefined) {
      warnings.push(`a release of the feed is passed over: its tag ${JSON.stringify(clip(tag_name))} is no version`);
      continue;
    }
    releases.push({
      version: version.version,
      prerelease: prerelease || version.prerelease.length > 0,
      assets: assets.flatMap((asset) => {
        const known = FeedAsset.safeParse(asset);
        return known.success ? [known.data] : [];
      }),
    });
  }
  if (!Array.isArray(body) && releases.length === 0 && warnings.length > 0) {
    throw new UpdateError(
      'FEED_UNREADABLE',
      'the feed is neither a release nor a list of them: check auto_update_feed',
    );
  }
  return { releases, warnings: warnings.slice(0, WARNINGS_MAX) };
}

/** `1.2.3`, `v1.2.3` and `<anything>-v1.2.3`. */
export function versionOfTag(tag: string): SemVer | undefined {
  // Longer than any version; the pattern below must not be given a megabyte to chew on.
  if (tag.length > 200) return undefined;
  const [, text] = /^(?:v|.+-v)?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)$/.exec(tag) ?? [];
  return text === undefined ? undefined : parseVersion(text);
}

export function parseVersion(text: string): SemVer | undefined {
  try {
    return new SemVer(text);
  } catch {
    return undefined;
  }
}

export function isNewer(version: string, than: string): boolean {
  return new SemVer(version).compare(than) > 0;
}

export type Choice = {
  readonly running: string;
  readonly allowPrerelease: boolean;
  /** Versions that were tried here and did not become healthy, or were rolled back. */
  readonly bad: ReadonlySet<string>;
};

/** The highest version strictly above the running one. */
export function newestAbove(releases: readonly Release[], choice: Choice): Release | undefined {
  let best: Release | undefined;
  for (const release of releases) {
    if (release.prerelease && !choice.allowPrerelease) continue;
    if (choice.bad.has(release.version) || !isNewer(release.version, choice.running)) continue;
    if (best === undefined || isNewer(release.version, best.version)) best = release;
  }
  return best;
}

export type ChosenAsset = { readonly asset: Asset; readonly target: BundleTarget; readonly note?: string };

/** The bundle for this machine. A CUDA installation stays one as long as releases have such a bundle. */
export function bundleFor(release: Release, target: BundleTarget): ChosenAsset {
  const find = (wanted: BundleTarget): Asset | undefined =>
    release.assets.find(({ name }) => name === bundleName(release.version, wanted));
  const asset = find(target);
  if (asset !== undefined) return { asset, target };
  const plain: BundleTarget = { ...target, variant: 'plain' };
  const fallback = target.variant === 'plain' ? undefined : find(plain);
  if (fallback !== undefined) {
    const note = `release ${release.version} has no ${target.variant} bundle for ${target.platform}-${target.arch}, taking the plain one`;
    return { asset: fallback, target: plain, note };
  }
  throw new UpdateError(
    'NO_BUNDLE_FOR_PLATFORM',
    `release ${release.version} has no bundle for ${target.platform}-${target.arch} (${bundleName(release.version, plain)}): wait for one, or take another version with \`studio-worker update --to\``,
  );
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
