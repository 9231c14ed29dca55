// Finds the ffmpeg program: the one that the operator names, the worker's own, or the system's. It is never downloaded,
// since every system has it in its package manager, with the licences of its codecs settled there.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';

const PROGRAM = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';

export const INSTALL_FFMPEG = 'apt-get install ffmpeg (Debian/Ubuntu), brew install ffmpeg, winget install ffmpeg';

/**
 * The path of the first of `STUDIO_WORKER_FFMPEG`, `<models_root>/bin` and `PATH` that is there. A name in the variable
 * that leads nowhere is an error and not passed over: who names a program wants that one.
 */
export async function findFfmpeg(modelsRoot: string): Promise<string> {
  const named = process.env.STUDIO_WORKER_FFMPEG;
  if (named) {
    if (await isProgram(named)) return named;
    throw new Failure('ENGINE_UNAVAILABLE', `STUDIO_WORKER_FFMPEG names \`${named}\`, which is not a program`);
  }
  // An empty entry of PATH means the current folder, where nobody keeps an ffmpeg on purpose.
  const folders = [join(modelsRoot, 'bin'), ...(process.env.PATH ?? '').split(delimiter)].filter((each) => each !== '');
  for (const folder of folders) {
    const path = join(folder, PROGRAM);
    if (await isProgram(path)) return path;
  }
  throw new Failure('ENGINE_UNAVAILABLE', `ffmpeg is not installed: ${INSTALL_FFMPEG}`);
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
