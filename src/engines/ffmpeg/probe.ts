// Whether this machine has an ffmpeg that can write videos, and which codecs it writes.
import { toFailure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { ENCODER_NAMES, encodersOf, type VideoCodec, versionOf } from './encoders.ts';
import { findFfmpeg, INSTALL_FFMPEG } from './find-ffmpeg.ts';

export const probe: Probe = async ({ modelsRoot }) => {
  try {
    const ffmpeg = await findFfmpeg(modelsRoot);
    const there = await encodersOf(ffmpeg);
    const codecs = (Object.keys(ENCODER_NAMES) as VideoCodec[]).map((codec) => {
      const name = ENCODER_NAMES[codec].find((each) => there.has(each));
      return name ? `${codec} (${name})` : `no ${codec}`;
    });
    const detail = `ffmpeg ${await versionOf(ffmpeg)} at ${ffmpeg}: ${codecs.join(', ')}`;
    // mp4 is what a video job asks for unless it says otherwise.
    if (!codecs[0]?.startsWith('no ')) return { ready: true, detail, backend: 'cpu' };
    return { ready: false, detail, remedy: `install an ffmpeg with libx264: ${INSTALL_FFMPEG}` };
  } catch (thrown) {
    return { ready: false, detail: toFailure(thrown, 'ENGINE_UNAVAILABLE').message, remedy: INSTALL_FFMPEG };
  }
};
