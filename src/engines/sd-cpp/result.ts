// From the file that the binary wrote to the result of the job: checked, converted, cut into chunks.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineResult, RunContext } from '../engine.ts';
import { pieces } from '../synthetic/pieces.ts';
import { checkVideo } from './check-video.ts';
import { encodeImage, imageExt } from './encode-image.ts';
import { binaryFormat, convertVideo } from './video-format.ts';
import type { Work } from './work.ts';

export async function finish(file: Uint8Array, work: Work, context: RunContext): Promise<EngineResult> {
  const result =
    work.kind === 'image' ? await finishImage(file, work, context) : await finishVideo(file, work, context);
  context.signal.throwIfAborted();
  context.progress({ ratio: 1 });
  return result;
}

type Of<K extends Work['kind']> = Extract<Work, { kind: K }>;

async function finishImage(file: Uint8Array, work: Of<'image'>, context: RunContext): Promise<EngineResult> {
  const { generation, ext } = work;
  const { bytes, width, height } = await encodeImage(file, generation, ext);
  if (width !== generation.width || height !== generation.height) {
    const asked = `${generation.width}x${generation.height}`;
    context.log('warn', `the picture is ${width}x${height}: this model cannot make ${asked}`);
  }
  return { kind: 'bytes', ext: imageExt(ext), chunks: pieces(bytes) };
}

async function finishVideo(file: Uint8Array, work: Of<'video'>, context: RunContext): Promise<EngineResult> {
  const { generation, ext } = work;
  const format = binaryFormat(ext);
  await checkVideo(file, generation, format);
  if (ext === format) return { kind: 'bytes', ext, chunks: pieces(file) };
  const avi = join(context.scratchDir, 'generated.avi');
  await writeFile(avi, file);
  const path = await convertVideo(avi, ext, generation.frames, context);
  return { kind: 'bytes', ext, chunks: pieces(await readFile(path)) };
}
