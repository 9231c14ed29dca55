// Between bytes of pixels and the numbers that LaMa takes and gives. Pure.
import { Failure } from '../../protocol/failure.ts';
import { MASK_THRESHOLD } from './geometry.ts';
import type { Pixels } from './resample.ts';

/** The side that LaMa was exported with. */
export const LAMA_SIDE = 512;
const AREA = LAMA_SIDE * LAMA_SIDE;

/** Some exports answer with 0 to 1 and some with 0 to 255; a largest value up to this means the first. */
const UNIT_MAX = 2;

/** One plane a colour, 0 to 1. */
export function imageTensor({ data }: Pixels): Float32Array {
  const planes = new Float32Array(3 * AREA);
  for (let i = 0; i < AREA; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) planes[channel * AREA + i] = (data[i * 3 + channel] ?? 0) / 255;
  }
  return planes;
}

/** 1 where something is to be removed, else 0. */
export function maskTensor({ data }: Pixels): Float32Array {
  return Float32Array.from({ length: AREA }, (_, i) => ((data[i] ?? 0) > MASK_THRESHOLD ? 1 : 0));
}

export function pixelsOf(planes: Float32Array): Pixels {
  if (planes.length !== 3 * AREA) {
    throw new Failure('MODEL_INVALID', `the model's output has ${planes.length} values and not ${3 * AREA}`);
  }
  const max = planes.reduce((most, value) => Math.max(most, value), 0);
  // Math.max passes a NaN on, so this sees every value.
  if (!Number.isFinite(max)) throw new Failure('ENGINE_FAILED', "the model's output holds values that are no numbers");
  const scale = max <= UNIT_MAX ? 255 : 1;
  // Rounds to the nearest and stays within 0 to 255.
  const data = new Uint8ClampedArray(3 * AREA);
  for (let i = 0; i < AREA; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) data[i * 3 + channel] = (planes[channel * AREA + i] ?? 0) * scale;
  }
  return { width: LAMA_SIDE, height: LAMA_SIDE, channels: 3, data: new Uint8Array(data.buffer) };
}
