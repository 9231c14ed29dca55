// What object removal does to pixels, without a model: resizing, blurring, tensors, and the whole with an inpainter that
// is a function.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { greyOf, removeObject } from '../../../src/engines/onnx/remove-object.ts';
import { blur, crop, type Pixels, resize } from '../../../src/engines/onnx/resample.ts';
import { imageTensor, maskTensor, pixelsOf } from '../../../src/engines/onnx/tensors.ts';

const AREA = 512 * 512;

function pixels(
  width: number,
  height: number,
  channels: number,
  at: (x: number, y: number, c: number) => number,
): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return at(pixel % width, Math.floor(pixel / width), i % channels);
  });
  return { width, height, channels, data };
}

describe('resizing by the triangle filter', () => {
  test('to the same size changes nothing', () => {
    const same = pixels(5, 3, 3, (x, y, c) => x * 40 + y * 10 + c);
    assert.deepEqual(resize(same, { width: 5, height: 3 }).data, same.data);
  });

  test('keeps one colour one colour, larger and smaller', () => {
    const flat = pixels(37, 11, 3, (_x, _y, c) => [200, 100, 3][c] ?? 0);
    for (const [width, height] of [
      [512, 512],
      [7, 5],
      [1, 1],
      [37, 512],
    ] as const) {
      const { data } = resize(flat, { width, height });
      assert.equal(data.length, width * height * 3);
      assert.ok(data.every((value, i) => value === [200, 100, 3][i % 3]));
    }
  });

  test('weighs neighbours by their distance', () => {
    const line = (values: number[], width: number) => [
      ...resize({ width: values.length, height: 1, channels: 1, data: Uint8Array.from(values) }, { width, height: 1 })
        .data,
    ];
    // Twice as many: a quarter of one neighbour, three quarters of the other.
    assert.deepEqual(line([0, 100], 4), [0, 25, 75, 100]);
    // Half as many: centres at 1 and 3, weights 1/4 3/4 3/4 1/4, without what lies beyond the edge.
    assert.deepEqual(line([0, 0, 140, 140], 2), [Math.round(140 / 7), Math.round((140 * 6) / 7)]);
    assert.deepEqual(line([10, 20, 30], 1), [20]);
  });
});

describe('blurring', () => {
  test('spreads a point as the Gaussian curve says, and keeps its sum', () => {
    const point = pixels(61, 61, 1, (x, y) => (x === 30 && y === 30 ? 255 : 0));
    const line = pixels(61, 1, 1, (x) => (x === 30 ? 255 : 0));
    const { data } = blur(line, 4);
    for (let d = 0; d <= 12; d += 1) {
      const share = Math.exp(-(d * d) / 32) / (4 * Math.sqrt(2 * Math.PI));
      assert.ok(Math.abs((data[30 + d] ?? 0) - 255 * share) <= 0.6, `at ${d}`);
      assert.equal(data[30 + d], data[30 - d]);
    }
    assert.equal(data[30 + 14], 0);
    assert.ok((blur(point, 4).data[30 * 61 + 30] ?? 0) > 0);
  });

  test('does not darken an edge of the frame', () => {
    assert.ok(
      blur(
        pixels(20, 20, 1, () => 255),
        4,
      ).data.every((value) => value === 255),
    );
  });
});

describe('tensors', () => {
  test('hold planes of 0 to 1, and a mask of 0 and 1', () => {
    const image = imageTensor(
      pixels(512, 512, 3, (x, y, c) => (x === 1 && y === 0 ? [255, 51, 0] : [0, 0, 255])[c] ?? 0),
    );
    assert.equal(image.length, 3 * AREA);
    assert.deepEqual(
      [0, AREA, 2 * AREA].map((plane) => image[plane + 1]),
      [1, Math.fround(0.2), 0],
    );
    assert.deepEqual(
      [0, AREA, 2 * AREA].map((plane) => image[plane]),
      [0, 0, 1],
    );
    const mask = maskTensor(pixels(512, 512, 1, (x, y) => (y === 0 ? ([0, 128, 129, 255][x] ?? 0) : 0)));
    assert.deepEqual([...mask.subarray(0, 5)], [0, 0, 1, 1, 0]);
  });

  const answer = (values: number[]) => {
    const planes = new Float32Array(3 * AREA);
    values.forEach((value, i) => {
      planes[i] = value;
    });
    return planes;
  };
  for (const [what, values, expected] of [
    ['0 to 1 is scaled', [0, 0.5, 1], [0, 128, 255]],
    ['0 to 255 is not', [0, 0.5, 200, 255], [0, 0, 200, 255]],
    ['a little above 1 is still a unit', [2, 1.01, 0.2], [255, 255, 51]],
    ['beyond the range is cut', [300, -20, 255.4], [255, 0, 255]],
  ] as const) {
    test(`an answer: ${what}`, () => {
      const { data } = pixelsOf(answer([...values]));
      assert.deepEqual(
        expected.map((_, i) => data[i * 3]),
        [...expected],
      );
    });
  }

  test('an answer of another size, or of no numbers, is refused', () => {
    assert.throws(() => pixelsOf(new Float32Array(12)), { code: 'MODEL_INVALID', message: /12 values and not 786432/ });
    assert.throws(() => pixelsOf(answer([1, Number.NaN])), { code: 'ENGINE_FAILED' });
    assert.throws(() => pixelsOf(answer([Number.POSITIVE_INFINITY])), { code: 'ENGINE_FAILED' });
  });
});

describe('removing an object', () => {
  const photo = pixels(600, 300, 3, (x, y, c) => (x * 3 + y * 5 + c * 50) % 256);
  const inside = (x: number, y: number) => x >= 400 && x < 460 && y >= 100 && y < 150;
  const mask = pixels(600, 300, 1, (x, y) => (inside(x, y) ? 255 : 0));
  const paint = async () => new Float32Array(3 * AREA).fill(7);

  test('leaves every pixel away from the mask as it was, and fills its middle', async () => {
    const seen: number[] = [];
    const result = await removeObject(photo, mask, async (image, hole) => {
      seen.push(
        image.length,
        hole.length,
        hole.reduce((sum, value) => sum + value, 0),
      );
      return paint();
    });
    // The square is 256 wide (60 + 2 * 47 is less), and seen at 512: the hole doubles its sides.
    assert.deepEqual(seen, [3 * AREA, AREA, 120 * 100]);
    let far = 0;
    for (let y = 0; y < 300; y += 1) {
      for (let x = 0; x < 600; x += 1) {
        const i = (y * 600 + x) * 3;
        if (x < 388 || x >= 472 || y < 88 || y >= 162) {
          far += 1;
          assert.equal(result.data[i], photo.data[i], `${x},${y}`);
        }
        if (x >= 412 && x < 448 && y >= 112 && y < 138) assert.equal(result.data[i], 7);
      }
    }
    assert.ok(far > 100_000);
  });

  test('blends half and half at the edge of the mask', async () => {
    const black = pixels(600, 300, 3, () => 0);
    const { data } = await removeObject(black, mask, async () => new Float32Array(3 * AREA).fill(200));
    const at = (x: number) => data[(125 * 600 + x) * 3] ?? 0;
    assert.ok(Math.abs((at(399) + at(400)) / 2 - 100) <= 2);
    for (let x = 385; x < 415; x += 1) assert.ok(at(x) <= at(x + 1));
  });

  test('an empty mask asks the model about the whole, and changes nothing', async () => {
    const none = pixels(600, 300, 1, () => 0);
    const result = await removeObject(photo, none, paint);
    assert.deepEqual(result.data, photo.data);
    assert.notEqual(result.data, photo.data);
  });

  test('a full mask fills everything', async () => {
    const result = await removeObject(
      photo,
      pixels(600, 300, 1, () => 255),
      paint,
    );
    // The square is as high as the frame and stands in its middle; beyond it nothing was painted.
    assert.ok(result.data.subarray((150 * 600 + 150) * 3, (150 * 600 + 450) * 3).every((value) => value === 7));
    assert.equal(result.data[0], photo.data[0]);
  });

  test('a mask in colours counts by its brightness', () => {
    const colours = [
      [255, 255, 255],
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [0, 0, 0],
    ];
    const { data } = greyOf(pixels(5, 1, 3, (x, _y, c) => colours[x]?.[c] ?? 0));
    assert.deepEqual([...data], [255, 54, 182, 18, 0]);
  });

  test('a part is cut out of the whole', () => {
    const part = crop(photo, { x: 10, y: 20, width: 3, height: 2 });
    assert.deepEqual(part.data, pixels(3, 2, 3, (x, y, c) => ((x + 10) * 3 + (y + 20) * 5 + c * 50) % 256).data);
  });
});
