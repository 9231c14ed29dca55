// The small pure rules of updates: addresses, checksums, health, verdicts, the state of versions, the launch scripts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedAddress } from '../../../src/supervisor/update/allowed-address.ts';
import { parseChecksum } from '../../../src/supervisor/update/checksum.ts';
import { healthOf } from '../../../src/supervisor/update/health.ts';
import { commandScript, shellScript } from '../../../src/supervisor/update/launch-script.ts';
import { layoutOf, programOf } from '../../../src/supervisor/update/layout.ts';
import { relaunchEnv, relaunchWay } from '../../../src/supervisor/update/relaunch.ts';
import { type ChildEnd, judge, type TrialEnd } from '../../../src/supervisor/update/trial.ts';
import {
  badVersions,
  type UpdateState,
  withAttempt,
  withBad,
  withGood,
} from '../../../src/supervisor/update/update-state.ts';

const GITHUB = 'https://api.github.com/repos/a/b/releases';
const OWN = 'https://updates.example.com:8443/feed.json';
const LOCAL = 'http://127.0.0.1:8080/releases';
const addresses: readonly (readonly [address: string, feed: string, allowed: boolean])[] = [
  ['https://github.com/a/b/releases/download/v1/x.tar.gz', GITHUB, true],
  ['https://objects.githubusercontent.com/x', GITHUB, true],
  ['https://release-assets.githubusercontent.com/x?sig=1', GITHUB, true],
  ['https://github.com/x', OWN, true],
  ['https://updates.example.com:8443/x', OWN, true],
  ['http://127.0.0.1:9090/x', LOCAL, true],
  ['http://localhost/x', LOCAL, true],
  ['http://[::1]:1/x', LOCAL, true],
  ['https://api.github.com/repos/a/b/releases/assets/1', GITHUB, true],
  ['http://github.com/x', GITHUB, false],
  ['https://github.com:8443/x', GITHUB, false],
  ['https://github.com.evil.example/x', GITHUB, false],
  ['https://evil-github.com/x', GITHUB, false],
  ['https://raw.githubusercontent.com/x', GITHUB, false],
  ['https://user:pw@github.com/x', GITHUB, false],
  ['https://updates.example.com/x', OWN, false],
  ['http://127.0.0.1:9090/x', GITHUB, false],
  ['https://localhost/x', OWN, false],
  ['https://169.254.169.254/x', GITHUB, false],
  ['file:///etc/passwd', LOCAL, false],
  ['ftp://github.com/x', GITHUB, false],
  ['', GITHUB, false],
  ['nonsense', GITHUB, false],
];
for (const [address, feed, allowed] of addresses) {
  test(`with the feed at ${new URL(feed).host}, ${address || 'an empty address'} is ${allowed ? 'allowed' : 'refused'}`, () => {
    const ask = (): URL => allowedAddress(address, 'the bundle', new URL(feed));
    if (allowed) assert.equal(ask().href, new URL(address).href);
    else assert.throws(ask, { code: 'ADDRESS_REFUSED' });
  });
}

test('a redirect is read relative to where it came from, and may not lower its guard', () => {
  const feed = new URL(GITHUB);
  const base = new URL('https://github.com/a/b');
  assert.equal(allowedAddress('/c', 'it', feed, base).href, 'https://github.com/c');
  assert.throws(() => allowedAddress('//evil.example/c', 'it', feed, base), { code: 'ADDRESS_REFUSED' });
  assert.throws(() => allowedAddress('http://github.com/c', 'it', feed, base), { code: 'ADDRESS_REFUSED' });
});

const HEX = 'ab'.repeat(32);
const checksums: readonly (readonly [text: string, digest: string | undefined])[] = [
  [HEX, HEX],
  [`${HEX}  x.tar.gz\n`, HEX],
  [`\n\n${HEX} *x.tar.gz\r\n`, HEX],
  [`${HEX}  ./dist/x.tar.gz`, HEX],
  [HEX.toUpperCase(), HEX],
  [`${HEX}  y.tar.gz`, undefined],
  ['', undefined],
  ['<!doctype html>', undefined],
  [HEX.slice(2), undefined],
  [`${HEX}00`, undefined],
  [`sha256:${HEX}`, undefined],
  [`junk\n${HEX}`, undefined],
];
for (const [text, digest] of checksums) {
  test(`the checksum file ${JSON.stringify(text.replace(HEX, '<hex>'))} ${digest ? 'is one' : 'refuses'}`, () => {
    if (digest !== undefined) assert.equal(parseChecksum(text, 'x.tar.gz'), digest);
    else assert.throws(() => parseChecksum(text, 'x.tar.gz'), { code: /^CHECKSUM_/ });
  });
}

test('healthy is: engines looked at, and the studio has answered', () => {
  const all = { enginesProbed: true, studioAnswered: true };
  assert.deepEqual(healthOf(all, 0), { healthy: true });
  assert.equal(healthOf({ ...all, enginesProbed: false }, 1e9), undefined);
  assert.equal(healthOf({ ...all, studioAnswered: false }, 59_999), undefined);
  assert.deepEqual(healthOf({ ...all, studioAnswered: false }, 60_000), {
    healthy: false,
    excused: true,
    why: 'the studio could not be reached',
  });
});

const ended: ChildEnd = { code: 0, signal: null, timedOut: false, interrupted: false, verdict: undefined };
const well = { version: '2.0.0', healthy: true, excused: false };
const verdicts: readonly (readonly [name: string, end: ChildEnd, kind: TrialEnd['kind']])[] = [
  ['says it is healthy and ends well', { ...ended, verdict: well }, 'healthy'],
  ['says it is healthy and crashes', { ...ended, code: 1, verdict: well }, 'bad'],
  ['says it is healthy and is killed', { ...ended, code: null, signal: 'SIGSEGV', verdict: well }, 'bad'],
  ['is another version', { ...ended, verdict: { ...well, version: '3.0.0' } }, 'bad'],
  ['says it is not healthy', { ...ended, verdict: { ...well, healthy: false } }, 'bad'],
  ['only misses the studio', { ...ended, verdict: { ...well, healthy: false, excused: true } }, 'unproven'],
  ['ends without a word', ended, 'unproven'],
  ['ends with an error', { ...ended, code: 1 }, 'bad'],
  ['is refused by the studio', { ...ended, code: 77 }, 'unproven'],
  ['cannot be started', { ...ended, code: null, error: 'ENOENT' }, 'bad'],
  ['hangs', { ...ended, code: null, signal: 'SIGKILL', timedOut: true }, 'bad'],
  ['hangs after a healthy word', { ...ended, code: null, signal: 'SIGKILL', timedOut: true, verdict: well }, 'bad'],
  ['is stopped by somebody', { ...ended, interrupted: true }, 'interrupted'],
  ['is stopped by somebody after its word', { ...ended, interrupted: true, verdict: well }, 'interrupted'],
];
for (const [name, end, kind] of verdicts) {
  test(`a version on trial that ${name} is ${kind}`, () => assert.equal(judge('2.0.0', end).kind, kind));
}

test('what is known of versions', () => {
  const none: UpdateState = { bad: [] };
  const tried = withAttempt(withAttempt({ ...none, wanted: '2.0.0' }, '2.0.0'), '2.0.0');
  assert.deepEqual(tried, { wanted: '2.0.0', trial: { version: '2.0.0', attempts: 2 }, bad: [] });
  assert.equal(withAttempt(tried, '3.0.0').trial.attempts, 1);
  const bad = withBad(tried, '2.0.0', 'x'.repeat(1000), new Date(0));
  assert.deepEqual(Object.keys(bad), ['bad']);
  assert.equal(bad.bad[0]?.why.length, 500);
  assert.deepEqual([...badVersions(bad)], ['2.0.0']);
  assert.equal(withBad(bad, '2.0.0', 'again', new Date(1)).bad.length, 1);
  assert.deepEqual(withGood(bad, '2.0.0'), none);
  const wanted = { ...none, wanted: '4.0.0' };
  assert.equal(withBad(wanted, '2.0.0', 'x', new Date(0)).wanted, '4.0.0');
  let many = none;
  for (let patch = 0; patch < 60; patch += 1) many = withBad(many, `1.0.${patch}`, 'x', new Date(0));
  assert.equal(many.bad.length, 50);
  assert.equal(many.bad.at(-1)?.version, '1.0.59');
});

test('the process becomes another one where the system can do that', () => {
  assert.deepEqual((['linux', 'darwin', 'freebsd', 'win32'] as const).map(relaunchWay), [
    'replace',
    'replace',
    'replace',
    'spawn-and-exit',
  ]);
  assert.deepEqual(relaunchEnv({ PATH: '/bin', STUDIO_WORKER_TRIAL: '/x', NOTHING: undefined }), { PATH: '/bin' });
});

test('paths of an installation, on Windows too', () => {
  const { command, versions } = layoutOf('C:\\worker', 'win32');
  assert.deepEqual([command, versions], ['C:\\worker\\bin\\studio-worker.cmd', 'C:\\worker\\versions']);
  assert.equal(
    programOf('C:\\worker\\versions\\1.0.0', 'win32').node,
    'C:\\worker\\versions\\1.0.0\\runtime\\node.exe',
  );
  assert.equal(layoutOf('/opt/worker', 'linux').command, '/opt/worker/bin/studio-worker');
});

test('the launch scripts quote the folder, and one that cmd.exe cannot take is refused', () => {
  assert.match(shellScript("/home/o'neill/x"), /^root='\/home\/o'\\''neill\/x'$/m);
  assert.match(commandScript('C:\\Program Files\\w'), /^set "root=C:\\Program Files\\w"\r$/m);
  for (const odd of ['C:\\100%', 'C:\\a"b', 'C:\\a\nb']) assert.throws(() => commandScript(odd), /cannot take/);
});
