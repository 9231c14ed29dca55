// Whether this machine has an ffmpeg: tests of the real program say so and skip without it.
import { findFfmpeg } from '../../../src/engines/ffmpeg/find-ffmpeg.ts';

const found = await findFfmpeg('').catch((thrown: Error) => thrown);

/** For the `skip` of a test: false when it is there, else why not. */
export const noFfmpeg: string | false = found instanceof Error ? found.message : false;
export const ffmpegPath: string = found instanceof Error ? 'ffmpeg' : found;
