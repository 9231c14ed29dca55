import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { editMask } from '../../../../src/supervisor/api/openai/edit-mask.ts';
import { ApiError } from '../../../../src/supervisor/api/problem.ts';

const url = (bytes: Uint8Array) => `data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`;
const png = (pixels: number[], channels: 3 | 4) =>
  sharp(Uint8Array.from(pixels), { raw: { width: pixels.length / channels, height: 1, channels } })
    .png()
    .toBuffer();
const pixelsOf = async (mask: string) => [
  ...(await sharp(Buffer.from(mask.split(',')[1] ?? '', 'base64'))
    .greyscale()
    .raw()
    .toBuffer()),
];

test('where the mask is transparent the picture may change, so the mask becomes white there', async () => {
  const mask = await png([255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 255, 128], 4);
  assert.deepEqual(await pixelsOf(await editMask(url(mask))), [255, 0, 127]);
});

test('a mask without transparency is one already', async () => {
  for (const mask of [await png([255, 255, 255, 0, 0, 0], 3), await png([255, 255, 255, 255, 0, 0, 0, 255], 4)]) {
    assert.equal(await editMask(url(mask)), url(mask));
  }
});

test('what is no picture is refused', async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
  await assert.rejects(editMask(url(Buffer.from(svg))), ApiError);
  await assert.rejects(editMask(url(Buffer.from('no picture'))), ApiError);
});
