// Stream tokens: who has one, for what, and until when. The clock is the test's.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openStreamTokens } from '../../../src/supervisor/stream/tokens.ts';

function openAt(startMs: number) {
  const clock = { ms: startMs };
  return { clock, tokens: openStreamTokens(() => clock.ms) };
}

test('a token is 64 hex digits, for one model, and may be used again until it expires', () => {
  const { clock, tokens } = openAt(1_000_000);
  const { token, expiresAt } = tokens.mint('ears', 600);
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.equal(expiresAt.getTime(), 1_600_000);
  for (const ms of [1_000_000, 1_300_000, 1_599_999]) {
    clock.ms = ms;
    assert.equal(tokens.modelOf(token), 'ears');
  }
  clock.ms = 1_600_000;
  assert.equal(tokens.modelOf(token), undefined);
});

test('each token is another one, and each knows its own model', () => {
  const { tokens } = openAt(0);
  const minted = ['a', 'b', 'a'].map((model) => tokens.mint(model, 60).token);
  assert.equal(new Set(minted).size, 3);
  assert.deepEqual(
    minted.map((token) => tokens.modelOf(token)),
    ['a', 'b', 'a'],
  );
});

test('its time is kept within bounds', () => {
  const { tokens } = openAt(0);
  for (const [asked, secs] of [
    [0, 30],
    [-1e9, 30],
    [29.9, 30],
    [31, 31],
    [3_600, 3_600],
    [1e12, 3_600],
    [Number.POSITIVE_INFINITY, 3_600],
  ] as const) {
    assert.equal(tokens.mint('m', asked).expiresAt.getTime(), secs * 1000, String(asked));
  }
});

test('what is no token, or was never given out, opens nothing', () => {
  const { tokens } = openAt(0);
  const { token } = tokens.mint('m', 60);
  const digest = createHash('sha256').update(token);
  for (const wrong of [
    '',
    token.toUpperCase(),
    `${token} `,
    token.slice(1),
    `${token}0`,
    '0'.repeat(64),
    // Not even what is kept of it.
    digest.copy().digest('hex'),
    digest.digest('base64'),
  ]) {
    assert.equal(tokens.modelOf(wrong), undefined, wrong);
  }
});

test('however many are minted, a bounded number is kept: the ones that expire last', () => {
  const { clock, tokens } = openAt(0);
  const early = Array.from({ length: 100 }, () => tokens.mint('early', 30).token);
  const late = Array.from({ length: 4_096 }, () => tokens.mint('late', 60).token);
  assert.equal(early.filter((token) => tokens.modelOf(token)).length, 0);
  assert.equal(late.filter((token) => tokens.modelOf(token)).length, 4_096);
  // Those that have expired go first, and cost nobody a place.
  clock.ms = 60_000;
  const fresh = Array.from({ length: 4_096 }, () => tokens.mint('fresh', 60).token);
  assert.equal(fresh.filter((token) => tokens.modelOf(token)).length, 4_096);
});
