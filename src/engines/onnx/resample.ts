// Resizing and blurring as upstream's image library does them: one weighted sum a column, one a row. Written out here
// since sharp's own resize mixes other filters in when it shrinks, and the pixels of the result are a contract.
import type { Box, Size } from './geometry.ts';

/** 8-bit samples, `channels` of them a pixel, rows from the top. */
export type Pixels = Size & { readonly channels: number; readonly data: Uint8Array };

/** `weight` at a distance in pixels; zero at `support` and beyond. */
type Kernel = { readonly support: number; readonly weight: (distance: number) => number };

const TRIANGLE: Kernel = { support: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) };

export function resize(pixels: Pixels, size: Size): Pixels {
  if (pixels.width === size.width && pixels.height === size.height) return pixels;
  return resample(pixels, size, TRIANGLE);
}

/** Three sigmas hold 99.7 % of the curve. */
export function blurRadius(sigma: number): number {
  return Math.ceil(3 * sigma);
}

/** Pixels beyond an edge do not exist: the weights of those that do are scaled up. */
export function blur(pixels: Pixels, sigma: number): Pixels {
  const gaussian = { support: blurRadius(sigma), weight: (d: number) => Math.exp(-(d * d) / (2 * sigma * sigma)) };
  return resample(pixels, pixels, gaussian);
}

export function crop(pixels: Pixels, box: Box): Pixels {
  const { channels, data } = pixels;
  const cut = new Uint8Array(box.width * box.height * channels);
  const rowBytes = box.width * channels;
  for (let y = 0; y < box.height; y += 1) {
    const from = ((box.y + y) * pixels.width + box.x) * channels;
    cut.set(data.subarray(from, from + rowBytes), y * rowBytes);
  }
  return { width: box.width, height: box.height, channels, data: cut };
}

function resample(pixels: Pixels, size: Size, kernel: Kernel): Pixels {
  const { width, channels, data } = pixels;
  const samples = width * channels;
  const columns = new Float32Array(samples * size.height);
  tapsOf(pixels.height, size.height, kernel).forEach(({ first, weights }, y) => {
    const out = columns.subarray(y * samples, (y + 1) * samples);
    for (let tap = 0; tap < weights.length; tap += 1) {
      const weight = weights[tap] ?? 0;
      const row = (first + tap) * samples;
      for (let i = 0; i < samples; i += 1) out[i] = (out[i] ?? 0) + weight * (data[row + i] ?? 0);
    }
  });
  // Rounds to the nearest and stays within 0 to 255.
  const result = new Uint8ClampedArray(size.width * size.height * channels);
  const taps = tapsOf(width, size.width, kernel);
  for (let y = 0; y < size.height; y += 1) {
    for (let x = 0; x < size.width; x += 1) {
      const { first, weights } = taps[x] ?? { first: 0, weights: [] };
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 0;
        let at = y * samples + first * channels + channel;
        for (let tap = 0; tap < weights.length; tap += 1) {
          sum += (weights[tap] ?? 0) * (columns[at] ?? 0);
          at += channels;
        }
        result[(y * size.width + x) * channels + channel] = sum;
      }
    }
  }
  return { ...size, channels, data: new Uint8Array(result.buffer) };
}

type Taps = { readonly first: number; readonly weights: readonly number[] };

/** Which pixels of a line of `from` make each pixel of a line of `to`, and in which shares. */
function tapsOf(from: number, to: number, kernel: Kernel): Taps[] {
  const ratio = from / to;
  // A line that shrinks widens the filter, so that every pixel counts; one that grows does not narrow it.
  const scale = Math.max(1, ratio);
  const reach = kernel.support * scale;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    const first = Math.min(Math.max(Math.floor(centre - reach), 0), from - 1);
    const last = Math.min(Math.max(Math.ceil(centre + reach), first + 1), from);
    const weights = Array.from({ length: last - first }, (_, tap) =>
      kernel.weight((first + tap + 0.5 - centre) / scale),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
