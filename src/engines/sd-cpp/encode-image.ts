// The picture that the model made, checked and written in the format that was asked for. The binary's PNG is decoded to
// its last pixel first: exit code 0 proves nothing, and a full disk leaves half a file behind.
import sharp from 'sharp';
import { Failure } from '../../protocol/failure.ts';

export type Asked = { readonly width: number; readonly height: number };
export type EncodedImage = { readonly bytes: Uint8Array; readonly width: number; readonly height: number };

/** The binary rounds sizes up to what its model can make: 8 pixels for Flux, 16 for Wan, 64 for the oldest. */
const ROUNDING_MAX = 63;
/** What the binary itself writes with. */
const QUALITY = 90;

/** The contract's rule: `jpeg` is `jpg`, and what is not png, jpg or bmp is webp. */
export function imageExt(asked: string): 'png' | 'jpg' | 'bmp' | 'webp' {
  const ext = asked.toLowerCase();
  if (ext === 'jpeg' || ext === 'jpg') return 'jpg';
  return ext === 'png' || ext === 'bmp' ? ext : 'webp';
}

export async function encodeImage(file: Uint8Array, asked: Asked, ext: string): Promise<EncodedImage> {
  const picture = sharp(file, { failOn: 'error' });
  const raw = await picture
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause) => {
      throw new Failure('ENGINE_FAILED', `the picture that was made ${describe(file)}; is the disk full?`, { cause });
    });
  const { width, height, channels } = raw.info;
  checkSize({ width, height }, asked);
  const made = sharp(raw.data, { raw: { width, height, channels } });
  const bytes = {
    png: async () => file,
    jpg: () => made.jpeg({ quality: QUALITY }).toBuffer(),
    webp: () => made.webp({ quality: QUALITY }).toBuffer(),
    bmp: async () => bitmap(raw.data, width, height),
  }[imageExt(ext)];
  return { bytes: await bytes(), width, height };
}

export function checkSize(made: Asked, asked: Asked): void {
  const fits = (side: 'width' | 'height') => made[side] >= asked[side] && made[side] <= asked[side] + ROUNDING_MAX;
  if (fits('width') && fits('height')) return;
  const sizes = `${made.width}x${made.height} instead of ${asked.width}x${asked.height}`;
  throw new Failure('ENGINE_FAILED', `the picture that was made is ${sizes}`);
}

function describe(file: Uint8Array): string {
  return file.byteLength === 0 ? 'is an empty file' : `cannot be decoded (${file.byteLength} bytes)`;
}

const BITMAP_HEADER = 54;

/** Three bytes a pixel, rows from the bottom up and padded to four bytes: the form that every program reads. */
function bitmap(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const row = Math.ceil((width * 3) / 4) * 4;
  const file = Buffer.alloc(BITMAP_HEADER + row * height);
  file.write('BM', 0, 'latin1');
  file.writeUInt32LE(file.byteLength, 2);
  file.writeUInt32LE(BITMAP_HEADER, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  file.writeUInt32LE(row * height, 34);
  for (let y = 0; y < height; y += 1) {
    let to = BITMAP_HEADER + (height - 1 - y) * row;
    for (let from = y * width * 3; from < (y + 1) * width * 3; from += 3, to += 3) {
      file[to] = rgb[from + 2] ?? 0;
      file[to + 1] = rgb[from + 1] ?? 0;
      file[to + 2] = rgb[from] ?? 0;
    }
  }
  return file;
}
