// Makes the small picture that stands for a finished result in the dashboard: the picture itself, or the first frame of a
// video. Runs in a child process of its own (workers/preview-main.ts), for it decodes files with native code.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VIDEO_FORMATS } from '../ffmpeg/formats.ts';
import { fileInput, runFfmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { openImage } from '../pixels/read-image.ts';

/** Of the longer side, in pixels; upstream's size. */
const SIDE_PX_MAX = 384;

/** A result is read from a local disk and only its first frame is decoded; longer than this something is wrong. */
const FRAME_STALL_MS = 10_000;

export type PreviewOrder = {
  readonly path: string;
  /** Of the result, as the engine named it. */
  readonly ext: string;
  /** Where temporary files may be made. */
  readonly scratchDir: string;
  readonly modelsRoot: string;
};

/** Resolves with a PNG. Rejects with a `Failure` when the file cannot be read, or ffmpeg is not there for a video. */
export async function makePreview(order: PreviewOrder, signal: AbortSignal): Promise<Uint8Array> {
  if (!/^(mp4|webm|mov|mkv|avi)$/i.test(order.ext)) return shrink(order.path);
  const frame = join(order.scratchDir, 'first-frame.png');
  try {
    await writeFirstFrame(order, frame, signal);
    return await shrink(frame);
  } finally {
    await rm(frame, { force: true });
  }
}

async function shrink(path: string): Promise<Uint8Array> {
  const { image } = await openImage(path, 'the result');
  return image
    .resize({ width: SIDE_PX_MAX, height: SIDE_PX_MAX, fit: 'inside', withoutEnlargement: true })
    .png()
    .toBuffer();
}

async function writeFirstFrame({ path, modelsRoot }: PreviewOrder, frame: string, signal: AbortSignal): Promise<void> {
  const shape = ['-map', '0:v:0', '-frames:v', '1', '-update', '1', frame];
  const args = [...fileInput(path, VIDEO_FORMATS), ...shape];
  const run = { what: 'reading the first frame', args, blame: 'ENGINE_FAILED', stallMs: FRAME_STALL_MS } as const;
  await runFfmpeg({ ...run, line: () => {} }, { signal, settings: { modelsRoot, cpuThreads: 1 } });
}
