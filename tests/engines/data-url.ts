// Inputs that need no server: a file as a `data:` URL, and small pictures.
import sharp from 'sharp';

export function dataUrl(file: Uint8Array, type = 'image/png'): string {
  return `data:${type};base64,${Buffer.from(file).toString('base64')}`;
}

/** A PNG whose pixels are given by `at`: one number a pixel for grey, three for colours. */
export async function png(width: number, height: number, at: (x: number, y: number) => number[]): Promise<Buffer> {
  const channels = at(0, 0).length as 1 | 3 | 4;
  const raw = Buffer.alloc(width * height * channels);
  for (let i = 0; i < width * height; i += 1) raw.set(at(i % width, Math.floor(i / width)), i * channels);
  return sharp(raw, { raw: { width, height, channels } }).png({ compressionLevel: 1 }).toBuffer();
}

export async function pngUrl(width: number, height: number, at: (x: number, y: number) => number[]): Promise<string> {
  return dataUrl(await png(width, height, at));
}
