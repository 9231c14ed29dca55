// OpenAI's masks are transparent where the picture may change; engines take masks that are white there. A mask without
// transparency is taken for one of the engines' own.
import { badRequest } from '../problem.ts';

/** 32 megapixels, as engines take them. */
const PIXELS_MAX = 32 * 1024 * 1024;
/** Pictures that hold all that they are; an SVG may name other files. */
const FORMATS: readonly string[] = ['png', 'webp', 'jpeg', 'gif', 'tiff'];

export async function editMask(url: string): Promise<string> {
  // Only those who edit pictures pay for the library.
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  const bytes = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
  try {
    const { format, hasAlpha } = await sharp(bytes, { limitInputPixels: PIXELS_MAX }).metadata();
    if (!FORMATS.includes(format)) throw new Error(`it is a ${format} file; send PNG or WebP`);
    if (!hasAlpha) return url;
    const { isOpaque } = await sharp(bytes, { limitInputPixels: PIXELS_MAX }).stats();
    if (isOpaque) return url;
    const mask = await sharp(bytes, { limitInputPixels: PIXELS_MAX })
      .extractChannel('alpha')
      .negate()
      .png({ compressionLevel: 1 })
      .toBuffer();
    return `data:image/png;base64,${mask.toString('base64')}`;
  } catch (thrown) {
    throw badRequest(`the mask is not a picture that can be read: ${(thrown as Error).message.split('\n')[0]}`, 'mask');
  }
}
