// The pure parts of object removal, by tables.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Box, boundsOf, cropOf, grow } from '../../../src/engines/onnx/geometry.ts';

const box = (x: number, y: number, width: number, height: number): Box => ({ x, y, width, height });
const frame = (width: number, height: number) => ({ width, height });

describe('the part of the picture that the model sees', () => {
  const rows: [what: string, hole: Box | undefined, frame: ReturnType<typeof frame>, seen: Box][] = [
    ['nothing masked: all of it', undefined, frame(1024, 768), box(0, 0, 1024, 768)],
    // 40 + 2 * (10 + 32) = 124, less than the least.
    [
      'a small hole: the least square around its middle',
      box(500, 300, 40, 20),
      frame(1024, 768),
      box(392, 182, 256, 256),
    ],
    // 160 + 2 * (40 + 32) = 304; its middle is (680, 360).
    [
      'a hole: a quarter and 32 pixels more on every side',
      box(600, 290, 160, 140),
      frame(1024, 768),
      box(528, 208, 304, 304),
    ],
    // 0.25 * 202 = 50.5 rounds up: 202 + 2 * (51 + 32) = 368.
    ['a margin that is rounded', box(412, 284, 202, 10), frame(1024, 768), box(329, 105, 368, 368)],
    ['a corner: shifted inside', box(0, 0, 300, 120), frame(1024, 768), box(0, 0, 514, 514)],
    ['the other corner: shifted inside', box(984, 728, 40, 40), frame(1024, 768), box(768, 512, 256, 256)],
    ['a long hole: no more than the shorter side', box(100, 50, 900, 40), frame(1024, 512), box(294, 0, 512, 512)],
    ['all of it masked: all of it', box(0, 0, 512, 512), frame(512, 512), box(0, 0, 512, 512)],
    ['a square that fills a square frame: all of it', box(100, 100, 300, 300), frame(512, 512), box(0, 0, 512, 512)],
    ['a frame below the least square: all of it', box(10, 10, 5, 5), frame(64, 64), box(0, 0, 64, 64)],
    ['a narrow frame below the least square', box(10, 200, 5, 5), frame(64, 400), box(0, 170, 64, 64)],
  ];
  for (const [what, hole, of, seen] of rows) test(what, () => assert.deepEqual(cropOf(hole, of), seen));

  test('holds what it can of the hole, inside the frame, for any hole', () => {
    for (let i = 0; i < 2000; i += 1) {
      const [width, height] = [1 + ((i * 37) % 900), 1 + ((i * 91) % 700)];
      const [x, y] = [(i * 13) % width, (i * 29) % height];
      const hole = box(x, y, 1 + ((i * 7) % (width - x)), 1 + ((i * 11) % (height - y)));
      const seen = cropOf(hole, { width, height });
      assert.ok(seen.x >= 0 && seen.y >= 0 && seen.x + seen.width <= width && seen.y + seen.height <= height);
      if (seen.width < hole.width || seen.height < hole.height) continue;
      assert.ok(seen.x <= x && seen.x + seen.width >= x + hole.width, `${i}`);
      assert.ok(seen.y <= y && seen.y + seen.height >= y + hole.height, `${i}`);
    }
  });
});

test('the bounds of a mask are those of what is above the threshold', () => {
  const mask = new Uint8Array(6 * 4);
  assert.equal(boundsOf(mask, frame(6, 4), 128), undefined);
  mask[1 * 6 + 2] = 128;
  assert.equal(boundsOf(mask, frame(6, 4), 128), undefined);
  mask[1 * 6 + 2] = 129;
  assert.deepEqual(boundsOf(mask, frame(6, 4), 128), box(2, 1, 1, 1));
  mask[3 * 6 + 5] = 255;
  assert.deepEqual(boundsOf(mask, frame(6, 4), 128), box(2, 1, 4, 3));
  assert.deepEqual(boundsOf(Uint8Array.of(200), frame(1, 1), 128), box(0, 0, 1, 1));
});

test('a box grows as far as the frame goes', () => {
  assert.deepEqual(grow(box(10, 20, 5, 5), 8, frame(100, 30)), box(2, 12, 21, 18));
  assert.deepEqual(grow(box(0, 0, 3, 3), 8, frame(3, 3)), box(0, 0, 3, 3));
});
