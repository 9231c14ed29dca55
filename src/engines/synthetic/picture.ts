// How a prompt becomes pixels: the four colours of its digest in square rings around the centre, shaded by two waves.
// Pure but for the pauses between bands of rows, which let a cancel through.
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';

export type Size = { width: number; height: number };

/** Rows drawn between two looks at the signal: about 10 ms of a picture 4096 pixels wide. */
const BAND_ROWS = 64;
/** The shade waves move a colour by at most this many of 255 steps. */
const SHADE = 24;
/** Rings are counted on a picture whose sides are 512, as upstream's always are: 256 from the centre to an edge. */
const HALF_SIDE = 256;

export function digestOf(prompt: string): Uint8Array {
  return createHash('sha256').update(prompt, 'utf8').digest();
}

/**
 * Fills `pixels` from `offset` with one RGB picture. `turns` rotates the waves: 0 for a still picture, 0 to 1 over the
 * frames of a video. `drawn` hears the rows done so far.
 */
export async function drawPicture(
  pixels: Uint8Array,
  offset: number,
  picture: Size & { digest: Uint8Array; turns: number },
  signal: AbortSignal,
  drawn?: (rows: number) => void,
): Promise<void> {
  const { width, height, digest, turns } = picture;
  const phase = ((digest[12] ?? 0) / 256 + turns) * 2 * Math.PI;
  const columns = axis(width);
  const rows = axis(height);
  const columnShade = wave(width, Math.sin, phase);
  const rowShade = wave(height, Math.cos, phase);
  let at = offset;
  for (let y = 0; y < height; y += 1) {
    if (y > 0 && y % BAND_ROWS === 0) {
      drawn?.(y);
      await turn();
      signal.throwIfAborted();
    }
    const down = rows[y] ?? 0;
    const shadeY = rowShade[y] ?? 0;
    for (let x = 0; x < width; x += 1) {
      const ring = Math.min(3, Math.floor((Math.max(columns[x] ?? 0, down) / HALF_SIDE) * 6));
      const shade = Math.round(SHADE * (columnShade[x] ?? 0) * shadeY);
      for (let channel = 0; channel < 3; channel += 1) {
        pixels[at] = Math.min(255, Math.max(0, (digest[ring * 3 + channel] ?? 0) + shade));
        at += 1;
      }
    }
  }
  drawn?.(height);
}

/** Distance of each pixel from the middle of a side, on the scale of a 512-pixel side. */
function axis(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => (Math.abs(i + 0.5 - length / 2) / (length / 2)) * HALF_SIDE);
}

function wave(length: number, curve: (angle: number) => number, phase: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => curve((i / length) * 2 * Math.PI + phase));
}
