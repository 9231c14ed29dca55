import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openStopScanner } from '../../../src/engines/llama-cpp/stop-scanner.ts';

function scan(pieces: readonly string[], stops: readonly string[]): { out: string[]; found: boolean } {
  const scanner = openStopScanner(stops);
  const out = pieces.map((piece) => scanner.push(piece));
  out.push(scanner.end());
  return { out, found: scanner.found };
}

for (const [title, pieces, stops, out, found] of [
  ['no stop strings: all passes at once', ['ab', 'c'], [], ['ab', 'c', ''], false],
  ['an empty one is none', ['ab'], [''], ['ab', ''], false],
  ['within a piece', ['one. STOP two'], ['STOP'], ['one. ', ''], true],
  ['over three pieces', ['one. S', 'TO', 'P two', ' three'], ['STOP'], ['one. ', '', '', '', ''], true],
  ['a beginning that comes to nothing', ['one. ST', 'ART'], ['STOP'], ['one. ', 'START', ''], false],
  ['a beginning at the very end', ['one. STO'], ['STOP'], ['one. ', 'STO'], false],
  ['a beginning within a beginning', ['aa', 'a', 'b'], ['aab'], ['', 'a', '', ''], true],
  ['the earliest of several', ['x END y STOP'], ['STOP', 'END'], ['x ', ''], true],
  ['one that is the beginning of another', ['a\n', '\nb'], ['\n\n', '\n'], ['a', '', ''], true],
  ['outside of the basic plane', ['a\u{1F600}', '\u{1F601}b'], ['\u{1F600}\u{1F601}'], ['a', '', ''], true],
] as const) {
  test(title, () => assert.deepEqual(scan(pieces, stops), { out, found }));
}

test('however a text is cut, what passes is all before the first stop string', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 12 }), fc.array(letters, { maxLength: 3 }), (pieces, stops) => {
      const text = pieces.join('');
      const places = stops.filter((stop) => stop !== '').map((stop) => text.indexOf(stop));
      const first = Math.min(...places.filter((at) => at >= 0));
      const { out, found } = scan(pieces, stops);
      // A stop string may be complete before another that began earlier is; both are told by then.
      assert.equal(found, first !== Number.POSITIVE_INFINITY);
      if (!found) assert.equal(out.join(''), text);
      else for (const stop of stops) assert.ok(stop === '' || !out.join('').includes(stop));
      assert.ok(text.startsWith(out.join('')));
    }),
  );
});
