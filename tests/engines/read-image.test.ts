// Pictures that come with a job, in all the ways in which cameras and programs write them.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { openImage, rgbOf } from '../../src/engines/pixels/read-image.ts';
import { tempDir } from '../supervisor/temp-dir.ts';
import { png } from './data-url.ts';

async function opened(file: Uint8Array) {
  await using dir = await tempDir();
  await writeFile(dir.file('picture'), file);
  const { image, width, height } = await openImage(dir.file('picture'), 'the picture');
  return { ...(await rgbOf(image, 'the picture')), told: [width, height] };
}

/** Left half red, right half blue, 20 x 10. */
const halves = async () => sharp(await png(20, 10, (x) => (x < 10 ? [255, 0, 0] : [0, 0, 255])));
const near = (found: Uint8Array, expected: readonly number[]) =>
  expected.forEach((value, i) => {
    assert.ok(Math.abs((found[i] ?? -99) - value) <= 12, `${[...found.subarray(0, 3)]} is not ${expected}`);
  });

describe('a picture is read', () => {
  for (const [format, write] of [
    ['PNG', (image: Sharp) => image.png()],
    ['JPEG', (image: Sharp) => image.jpeg({ quality: 100, chromaSubsampling: '4:4:4' })],
    ['WebP', (image: Sharp) => image.webp({ lossless: true })],
    ['GIF', (image: Sharp) => image.gif()],
    ['AVIF', (image: Sharp) => image.avif({ lossless: true, effort: 0 })],
    ['TIFF', (image: Sharp) => image.tiff()],
    ['PNG with 16 bits', (image: Sharp) => image.toColourspace('rgb16').png()],
    ['PNG with transparency', (image: Sharp) => image.ensureAlpha(0.5).png()],
    ['CMYK', (image: Sharp) => image.toColourspace('cmyk').tiff()],
  ] as const) {
    test(`as ${format}`, async () => {
      const { data, width, height, told } = await opened(await write(await halves()).toBuffer());
      assert.deepEqual([width, height, ...told, data.length], [20, 10, 20, 10, 600]);
      if (format === 'CMYK') return;
      near(data, [255, 0, 0]);
      near(data.subarray(19 * 3), [0, 0, 255]);
    });
  }

  test('in grey as three equal colours', async () => {
    const { data } = await opened(await png(4, 4, () => [77]));
    assert.deepEqual([...data], new Array(48).fill(77));
  });

  test('the way up in which it was taken', async () => {
    // Orientation 6: the camera was turned, so the right side of the file is the bottom.
    const file = await (await halves()).withMetadata({ orientation: 6 }).png().toBuffer();
    const { data, width, height, told } = await opened(file);
    assert.deepEqual([width, height, ...told], [10, 20, 10, 20]);
    near(data, [255, 0, 0]);
    near(data.subarray(data.length - 3), [0, 0, 255]);
  });

  test('as its first frame when it moves', async () => {
    const frames = Buffer.alloc(8 * 16 * 3).fill(255, 8 * 8 * 3);
    const file = await sharp(frames, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } })
      .gif()
      .toBuffer();
    const { data, height } = await opened(file);
    assert.deepEqual([height, data[0]], [8, 0]);
  });
});

describe('a picture is refused', () => {
  test('when it is empty, foreign, cut off or too large', async () => {
    const photo = await (await halves()).resize(400, 400).jpeg().toBuffer();
    const vast = await sharp({ create: { width: 8000, height: 5000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    for (const [file, message] of [
      [Buffer.alloc(0), /the picture is an empty file/],
      [Buffer.from('<html></html>'), /the picture is not a picture that can be read \(PNG, JPEG/],
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), /the picture is a svg file/],
      [photo.subarray(0, photo.length / 2), /the picture is not a picture that can be read/],
      [vast, /the picture has 40\.0 megapixels \(8000x5000\), at most 33\.2/],
    ] as const) {
      await assert.rejects(opened(file), { code: 'INPUT_INVALID', retryable: false, message });
    }
  });
});
