// Opens a picture that came with a job: known formats only, bounded in size, in the colours and the way up in which a
// person sees it. Everything that is wrong with it is the job's fault and says so.
import { stat } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { Failure } from '../../protocol/failure.ts';

/** 8K UHD, 7680 x 4320: as raw colours 100 MB. Larger than any camera's picture that a job needs. */
export const IMAGE_PIXELS_MAX = 7680 * 4320;
/** As sharp names them. No SVG: it is a program that draws, and may name other files. */
const FORMATS = ['png', 'jpeg', 'webp', 'gif', 'heif', 'tiff'];
const FORMATS_TOLD = 'PNG, JPEG, WebP, GIF, AVIF, TIFF';

// Jobs of several kinds share the processor, so one picture never takes more than one core.
sharp.concurrency(1);

export type OpenImage = { readonly image: Sharp; readonly width: number; readonly height: number };

/** `what` names it in messages: `the init image`. Of an animation it is the first frame. */
export async function openImage(path: string, what: string): Promise<OpenImage> {
  const { size } = await stat(path);
  if (size === 0) throw new Failure('INPUT_INVALID', `${what} is an empty file`);
  // Its head alone, so without the limit, whose failure would not name the size.
  const head = sharp(path, { limitInputPixels: false });
  const { format, width, height, autoOrient } = await readable(what, () => head.metadata());
  if (!FORMATS.includes(format)) {
    throw new Failure('INPUT_INVALID', `${what} is a ${format} file; these can be read: ${FORMATS_TOLD}`);
  }
  if (width * height > IMAGE_PIXELS_MAX) {
    const megapixels = ((width * height) / 1e6).toFixed(1);
    const limit = (IMAGE_PIXELS_MAX / 1e6).toFixed(1);
    const size = `${megapixels} megapixels (${width}x${height})`;
    throw new Failure('INPUT_INVALID', `${what} has ${size}, at most ${limit} are read: make it smaller`);
  }
  const image = sharp(path, { limitInputPixels: IMAGE_PIXELS_MAX, failOn: 'error' });
  return { image: image.autoOrient().toColourspace('srgb'), ...autoOrient };
}

/** Decodes to raw bytes, 3 a pixel, without transparency. */
export async function rgbOf(image: Sharp, what: string): Promise<{ data: Uint8Array; width: number; height: number }> {
  const { data, info } = await readable(what, () =>
    image.removeAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }),
  );
  if (info.channels !== 3) throw new Failure('INPUT_INVALID', `${what} has ${info.channels} channels and not 3`);
  return { data, width: info.width, height: info.height };
}

/** What the library cannot read is the job's fault; its reason is kept, on one line. */
async function readable<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '').replace(/^\S+: /, '') : String(cause);
    throw new Failure('INPUT_INVALID', `${what} is not a picture that can be read (${FORMATS_TOLD}): ${why}`, {
      cause,
    });
  }
}
