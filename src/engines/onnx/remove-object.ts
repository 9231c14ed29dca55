// Object removal with LaMa, from pixels to pixels: look at the square around the hole, let the model fill it, and blend
// the filling in under a soft edge. Everything away from the mask stays as it was, byte for byte.
import { boundsOf, cropOf, grow, MASK_THRESHOLD } from './geometry.ts';
import { blur, blurRadius, crop, type Pixels, resize } from './resample.ts';
import { imageTensor, LAMA_SIDE, maskTensor, pixelsOf } from './tensors.ts';

/** Soft enough to hide the seam, hard enough not to smear it. */
const FEATHER_SIGMA = 4;
const LAMA_SIZE = { width: LAMA_SIDE, height: LAMA_SIDE };

/** Runs the model: `image` [1,3,512,512] and `mask` [1,1,512,512] in, the values of [1,3,512,512] out. */
export type Inpaint = (image: Float32Array, mask: Float32Array) => Promise<Float32Array>;

/** `image` (3 channels) and `mask` (1 channel) have the same size. */
export async function removeObject(image: Pixels, mask: Pixels, inpaint: Inpaint): Promise<Pixels> {
  const seen = cropOf(boundsOf(mask.data, mask, MASK_THRESHOLD), mask);
  const square = resize(crop(image, seen), LAMA_SIZE);
  const hole = resize(crop(mask, seen), LAMA_SIZE);
  const filling = resize(pixelsOf(await inpaint(imageTensor(square), maskTensor(hole))), seen);
  const result = new Uint8Array(image.data);
  const touched = boundsOf(mask.data, mask, 0);
  if (!touched) return { ...image, data: result };
  // Twice the radius: so nothing within the blur's reach of the mask feels the edge of this part.
  const part = grow(touched, 2 * blurRadius(FEATHER_SIGMA), mask);
  const edge = blur(crop(mask, part), FEATHER_SIGMA);
  for (let y = Math.max(part.y, seen.y); y < Math.min(part.y + part.height, seen.y + seen.height); y += 1) {
    for (let x = Math.max(part.x, seen.x); x < Math.min(part.x + part.width, seen.x + seen.width); x += 1) {
      const share = (edge.data[(y - part.y) * part.width + x - part.x] ?? 0) / 255;
      if (share === 0) continue;
      const to = (y * image.width + x) * 3;
      const from = ((y - seen.y) * seen.width + x - seen.x) * 3;
      for (let channel = 0; channel < 3; channel += 1) {
        const old = result[to + channel] ?? 0;
        result[to + channel] = Math.round(old * (1 - share) + (filling.data[from + channel] ?? 0) * share);
      }
    }
  }
  return { ...image, data: result };
}

/** The brightness of each pixel, by the weights of Rec. 709 on the stored values, as upstream's library has it. */
export function greyOf({ width, height, data }: Pixels): Pixels {
  const grey = new Uint8ClampedArray(width * height);
  for (let i = 0; i < grey.length; i += 1) {
    const [red, green, blue] = [data[i * 3] ?? 0, data[i * 3 + 1] ?? 0, data[i * 3 + 2] ?? 0];
    grey[i] = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
  return { width, height, channels: 1, data: new Uint8Array(grey.buffer) };
}
