// The container that was asked for. The binary itself writes AVI and animated WebP; everything else is made from the AVI
// by ffmpeg. WebM too, although some builds know it: those that do not write AVI bytes under that name and say success.
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { RunContext } from '../engine.ts';
import { findFfmpeg } from '../ffmpeg/find-ffmpeg.ts';
import { fileInput, runFfmpeg } from '../ffmpeg/run-ffmpeg.ts';
import { toMp4 } from '../ffmpeg/transcode.ts';

export type VideoExt = 'mp4' | 'webm' | 'gif' | 'webp' | 'avi';

const EXTS: readonly string[] = ['mp4', 'webm', 'gif', 'webp', 'avi'] satisfies VideoExt[];

/** Asked before anything is generated, so that an hour of work is not lost to a missing program. */
export async function videoExt(asked: string, modelsRoot: string): Promise<VideoExt> {
  const ext = asked.toLowerCase();
  if (!EXTS.includes(ext)) {
    throw new Failure('INPUT_INVALID', `sd-cpp cannot write videos as \`${asked}\`; it writes: ${EXTS.join(', ')}`);
  }
  if (ext === 'webp' || ext === 'avi') return ext;
  try {
    await findFfmpeg(modelsRoot);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Failure('ENGINE_UNAVAILABLE', `a video as ${ext} needs ffmpeg (webp and avi do not): ${why}`, { cause });
  }
  return ext as VideoExt;
}

/** What the binary is asked for. */
export function binaryFormat(ext: VideoExt): 'avi' | 'webp' {
  return ext === 'webp' ? 'webp' : 'avi';
}

/** Writes the AVI file `avi` as `ext`, and returns the path of what it wrote. */
export async function convertVideo(avi: string, ext: VideoExt, frames: number, context: RunContext): Promise<string> {
  if (ext === 'avi' || ext === 'webp') return avi;
  const output = join(context.scratchDir, `result.${ext}`);
  const { signal, settings, log } = context;
  // Any sign of ffmpeg is a sign of life.
  const own = { signal, settings, log, progress: () => context.progress({ ratio: 0.98 }) };
  if (ext === 'mp4') {
    await toMp4(avi, output, { ...own, frames });
    return output;
  }
  const shape =
    ext === 'webm'
      ? ['-c:v', 'libvpx-vp9', '-b:v', '0', '-crf', '30', '-cpu-used', '4', '-pix_fmt', 'yuv420p', '-f', 'webm']
      : // Colours chosen from this very video; a fixed palette shows bands in every sky.
        ['-vf', 'split[a][b];[a]palettegen[p];[b][p]paletteuse', '-f', 'gif'];
  const threads = ['-threads', String(settings.cpuThreads)];
  const args = [...fileInput(avi, ['avi']), '-map', '0:v:0', ...shape, ...threads, `file:${output}`];
  await runFfmpeg({ what: `writing the video as ${ext}`, args, blame: 'ENGINE_FAILED', line: () => {} }, own);
  return output;
}
