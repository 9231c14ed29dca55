// Short texts of long ones.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { clip } from '../../src/supervisor/clip.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('a text that fits stays, one that does not ends in an ellipsis', () => {
  assert.deepEqual([clip('abc', 3), clip('abcd', 3), clip('', 0), clip('a', 0)], ['abc', 'abc…', '', '…']);
});

test('no character is cut in half', () => {
  assert.equal(clip('ab\u{1F98A}cd', 3), 'ab…');
  assert.equal(clip('ab\u{1F98A}cd', 4), 'ab\u{1F98A}…');
});

test('what is kept of a long text does not keep the long text', () => {
  const kept: string[] = [];
  const before = process.memoryUsage().heapUsed;
  // Each of its own, and flat, as a text that came over a socket is.
  for (let at = 0; at < 200; at += 1) kept.push(clip(Buffer.alloc(1_000_000, 97 + (at % 26)).toString('latin1'), 200));
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  assert.equal(kept.length, 200);
  assert.ok(grown < 100_000_000, `${grown} bytes are held for 200 short texts`);
});
