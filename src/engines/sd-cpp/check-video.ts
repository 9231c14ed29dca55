// Whether a video that the binary wrote is whole: the frames that it promises are there, the first and the last can be
// decoded, and they have the size that was asked for. Reads AVI (Motion JPEG) and animated WebP, which are what every
// build of the binary writes.
import sharp from 'sharp';
import { Failure } from '../../protocol/failure.ts';
import { type Asked, checkSize } from './encode-image.ts';

export type AskedVideo = Asked & { readonly frames: number };

export async function checkVideo(file: Uint8Array, asked: AskedVideo, format: 'avi' | 'webp'): Promise<void> {
  if (file.byteLength === 0) throw new Failure('ENGINE_FAILED', 'the video that was made is an empty file');
  const frames = await (format === 'avi' ? checkAvi(file, asked) : checkWebp(file, asked));
  // Models round the number of frames down to their own steps.
  if (frames > 1 && frames <= asked.frames) return;
  throw new Failure('ENGINE_FAILED', `the video that was made has ${frames} frames instead of ${asked.frames}`);
}

async function checkWebp(file: Uint8Array, asked: AskedVideo): Promise<number> {
  const facts = await sharp(file, { animated: true }).metadata().catch(broken);
  if (facts.format !== 'webp') throw new Failure('ENGINE_FAILED', `the video that was made is a ${facts.format} file`);
  const pages = facts.pages ?? 1;
  checkSize({ width: facts.width, height: facts.pageHeight ?? facts.height }, asked);
  await decode(file, pages - 1);
  return pages;
}

async function checkAvi(file: Uint8Array, asked: AskedVideo): Promise<number> {
  const frames = aviFrames(file);
  const [first, last] = [frames[0], frames.at(-1)];
  if (!first || !last) throw new Failure('ENGINE_FAILED', 'the video that was made has no frames');
  for (const frame of [first, last]) checkSize(await decode(frame), asked);
  return frames.length;
}

async function decode(file: Uint8Array, page = 0): Promise<Asked> {
  const { info } = await sharp(file, { failOn: 'error', page })
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(broken);
  return { width: info.width, height: info.height };
}

function broken(cause: unknown): never {
  throw new Failure('ENGINE_FAILED', 'the video that was made cannot be decoded; is the disk full?', { cause });
}

/** The pictures in an AVI file: chunks called `00dc` in the list called `movi`. Throws when the file breaks off. */
export function aviFrames(file: Uint8Array): Uint8Array[] {
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const name = (at: number) => view.toString('latin1', at, at + 4);
  if (name(0) !== 'RIFF' || name(8) !== 'AVI ') broken(new Error('no AVI header'));
  const frames: Uint8Array[] = [];
  let at = 12;
  while (at + 8 <= view.byteLength) {
    const [kind, size] = [name(at), view.readUInt32LE(at + 4)];
    if (kind === 'LIST' && name(at + 8) === 'movi') {
      at += 12;
      continue;
    }
    if (at + 8 + size > view.byteLength) broken(new Error('the file breaks off'));
    if (kind === '00dc' || kind === '00db') frames.push(view.subarray(at + 8, at + 8 + size));
    // Chunks begin at even places.
    at += 8 + size + (size % 2);
  }
  return frames;
}
