import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bundleName } from '../../../src/supervisor/update/layout.ts';
import {
  bundleFor,
  newestAbove,
  parseReleases,
  type Release,
  versionOfTag,
} from '../../../src/supervisor/update/releases.ts';

const tags: readonly (readonly [tag: string, version: string | undefined])[] = [
  ['1.2.3', '1.2.3'],
  ['v1.2.3', '1.2.3'],
  ['studio-worker-v1.2.3', '1.2.3'],
  ['a-b-v1.2.3', '1.2.3'],
  ['v1.2.3-beta.1', '1.2.3-beta.1'],
  ['v1.2.3+build.5', '1.2.3'],
  ['1.2', undefined],
  ['v1.2.3.4', undefined],
  ['studio-worker-1.2.3', undefined],
  ['version 1.2.3', undefined],
  ['v01.2.3', undefined],
  ['v1.2.3 ', undefined],
  ['latest', undefined],
  ['', undefined],
  ['v1.2.3/../../etc', undefined],
  [`v${'9'.repeat(50)}.0.0`, undefined],
  ['v'.repeat(100_000), undefined],
];
for (const [tag, version] of tags) {
  test(`the tag ${JSON.stringify(tag.slice(0, 40))} means ${version ?? 'no version'}`, () => {
    assert.equal(versionOfTag(tag)?.version, version);
  });
}

test('whatever a tag is, its version is fit for the name of a folder', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `v1.2.3-${text}`),
      ),
      (tag) => {
        const version = versionOfTag(tag)?.version;
        assert.ok(version === undefined || /^[0-9A-Za-z.-]+$/.test(version));
        assert.ok(version === undefined || /^\d/.test(version));
      },
    ),
  );
});

const release = (tag: string, more: object = {}): object => ({ tag_name: tag, assets: [], ...more });

test('drafts are dropped, odd releases are passed over with a warning, and one release is a feed as well', () => {
  const { releases, warnings } = parseReleases([
    release('v1.0.0'),
    release('v9.0.0', { draft: true }),
    release('nightly'),
    { name: 'no tag' },
    null,
    release('v1.1.0', { prerelease: true }),
    release('v1.2.0-rc.1'),
  ]);
  assert.deepEqual(
    releases.map(({ version, prerelease }) => [version, prerelease]),
    [
      ['1.0.0', false],
      ['1.1.0', true],
      ['1.2.0-rc.1', true],
    ],
  );
  assert.equal(warnings.length, 3);
  assert.match(warnings[0] ?? '', /"nightly"/);
  assert.deepEqual(
    parseReleases(release('v1.0.0')).releases.map(({ version }) => version),
    ['1.0.0'],
  );
  assert.deepEqual(parseReleases([]).releases, []);
});

test('assets without a name or an address are passed over', () => {
  const url = 'https://github.com/x';
  const { releases } = parseReleases([
    release('v1.0.0', {
      assets: [
        { name: 'a', browser_download_url: url, size: 5 },
        { name: 'b' },
        7,
        { name: 'c', browser_download_url: url },
      ],
    }),
  ]);
  assert.deepEqual(releases[0]?.assets, [
    { name: 'a', url, sizeBytes: 5 },
    { name: 'c', url, sizeBytes: undefined },
  ]);
});

test('what is no feed is refused', () => {
  for (const body of ['<html>', 7, null, true, { message: 'API rate limit exceeded' }]) {
    assert.throws(() => parseReleases(body), { code: 'FEED_UNREADABLE' });
  }
});

test('a thousand odd releases do not fill the log', () => {
  assert.equal(parseReleases(Array.from({ length: 1000 }, () => release('odd'))).warnings.length, 5);
});

const at = (version: string, prerelease = false): Release => ({ version, prerelease, assets: [] });
const choices: readonly (readonly [
  name: string,
  running: string,
  versions: Release[],
  options: { allowPrerelease?: boolean; bad?: string[] },
  chosen: string | undefined,
])[] = [
  ['the highest one wins, wherever it stands', '1.0.0', [at('1.1.0'), at('1.10.0'), at('1.9.0')], {}, '1.10.0'],
  ['the running one is not newer', '1.1.0', [at('1.1.0'), at('1.0.9')], {}, undefined],
  ['no prerelease by itself', '1.0.0', [at('1.1.0-rc.1', true), at('1.0.1')], {}, '1.0.1'],
  [
    'a prerelease when asked for',
    '1.0.0',
    [at('1.1.0-rc.1', true), at('1.0.1')],
    { allowPrerelease: true },
    '1.1.0-rc.1',
  ],
  ['a release is above its own prerelease', '1.1.0-rc.1', [at('1.1.0')], {}, '1.1.0'],
  ['a bad one is not taken again', '1.0.0', [at('1.1.0')], { bad: ['1.1.0'] }, undefined],
  ['a newer one than the bad one is', '1.0.0', [at('1.1.0'), at('1.1.1')], { bad: ['1.1.0'] }, '1.1.1'],
  ['nothing there', '1.0.0', [], {}, undefined],
];
for (const [name, running, versions, { allowPrerelease = false, bad = [] }, chosen] of choices) {
  test(`which version is taken: ${name}`, () => {
    const choice = { running, allowPrerelease, bad: new Set(bad) };
    assert.equal(newestAbove(versions, choice)?.version, chosen);
  });
}

test('a release has the bundle of this platform, or says that it has not', () => {
  const target = { platform: 'linux', arch: 'x64', variant: 'plain' } as const;
  const asset = (name: string) => ({ name, url: 'https://github.com/x', sizeBytes: 1 });
  assert.equal(bundleName('1.2.3', target), 'studio-worker-1.2.3-linux-x64.tar.gz');
  assert.equal(bundleName('1.2.3', { ...target, variant: 'cuda' }), 'studio-worker-1.2.3-linux-x64-cuda.tar.gz');
  const plain = asset('studio-worker-1.2.3-linux-x64.tar.gz');
  const cuda = asset('studio-worker-1.2.3-linux-x64-cuda.tar.gz');
  const both: Release = { version: '1.2.3', prerelease: false, assets: [plain, cuda] };
  assert.equal(bundleFor(both, target).asset, plain);
  assert.equal(bundleFor(both, { ...target, variant: 'cuda' }).asset, cuda);
  const fallback = bundleFor({ ...both, assets: [plain] }, { ...target, variant: 'cuda' });
  assert.equal(fallback.asset, plain);
  assert.match(fallback.note ?? '', /no cuda bundle for linux-x64/);
  for (const assets of [[], [asset('studio-worker-1.2.3-darwin-arm64.tar.gz')], [cuda]]) {
    assert.throws(() => bundleFor({ ...both, assets }, target), {
      code: 'NO_BUNDLE_FOR_PLATFORM',
      message: /release 1\.2\.3 has no bundle for linux-x64/,
    });
  }
});
