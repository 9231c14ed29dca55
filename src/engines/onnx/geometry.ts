// Which part of a picture the model gets to see. LaMa looks at 512 x 512 pixels, so a whole photograph would lose its
// detail; a square around what is to be removed keeps it. Pure: numbers in, numbers out.

export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
export type Size = { readonly width: number; readonly height: number };

/** A pixel above this is to be removed. */
export const MASK_THRESHOLD = 128;
/** What the model sees around the hole: a quarter of its longer side and a little more, on every side. */
const MARGIN_SHARE = 0.25;
const MARGIN_PIXELS = 32;
const CROP_SIDE_MIN = 256;

/** The smallest box that holds every pixel above `threshold`; none when there is no such pixel. */
export function boundsOf(mask: Uint8Array, { width, height }: Size, threshold: number): Box | undefined {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if ((mask[y * width + x] ?? 0) <= threshold) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** The square that the model sees; the whole frame when nothing is masked, or when a square would hold no less. */
export function cropOf(hole: Box | undefined, frame: Size): Box {
  const whole = { x: 0, y: 0, width: frame.width, height: frame.height };
  if (!hole) return whole;
  const longer = Math.max(hole.width, hole.height);
  const margin = Math.round(longer * MARGIN_SHARE) + MARGIN_PIXELS;
  // In a frame that is smaller than the least square, the frame wins.
  const side = Math.min(Math.max(longer + 2 * margin, CROP_SIDE_MIN), frame.width, frame.height);
  if (side >= frame.width && side >= frame.height) return whole;
  const place = (start: number, length: number, room: number) =>
    Math.min(Math.max(start + Math.floor(length / 2) - Math.floor(side / 2), 0), room - side);
  return {
    x: place(hole.x, hole.width, frame.width),
    y: place(hole.y, hole.height, frame.height),
    width: side,
    height: side,
  };
}

/** The box with `by` pixels more on every side, as far as the frame goes. */
export function grow(box: Box, by: number, frame: Size): Box {
  const x = Math.max(0, box.x - by);
  const y = Math.max(0, box.y - by);
  return {
    x,
    y,
    width: Math.min(frame.width, box.x + box.width + by) - x,
    height: Math.min(frame.height, box.y + box.height + by) - y,
  };
}
