// The sizes that the synthetic engine draws: as asked, else the model's own, else upstream's 512.
import { Failure } from '../../protocol/failure.ts';
import type { CliDefaults } from '../../protocol/index.ts';
import type { Size } from './picture.ts';

const SIDE_DEFAULT = 512;

/** A side of 0 means "not chosen", in the task as in the model's defaults. */
export function sizeOf(asked: Size, defaults: CliDefaults, sideMax: number): Size {
  const width = asked.width || defaults.width || SIDE_DEFAULT;
  const height = asked.height || defaults.height || SIDE_DEFAULT;
  const fits = (side: number) => Number.isInteger(side) && side >= 1 && side <= sideMax;
  if (!fits(width) || !fits(height)) {
    throw new Failure(
      'INPUT_INVALID',
      `size ${width}x${height} is out of range: each side may be 1 to ${sideMax} pixels`,
    );
  }
  return { width, height };
}
