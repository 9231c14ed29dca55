// The names that the ffmpeg engine answers to. Each says how the camera moves over one picture, and that is all it does:
// it has no model, so it never serves the name of one.

/** The first is what `ffmpeg` alone means. */
export const MOTIONS = ['ken-burns', 'zoom-in', 'zoom-out', 'pan-left', 'pan-right', 'still'] as const;
export type Motion = (typeof MOTIONS)[number];

/** mp4 holds H.264 and webm VP9, unless the name ends so: then both hold AV1. */
const AV1_SUFFIX = '-av1';

export type Camera = { readonly motion: Motion; readonly av1: boolean };

const CAMERAS: ReadonlyMap<string, Camera> = new Map(
  [false, true].flatMap((av1) => {
    const end = av1 ? AV1_SUFFIX : '';
    const named = MOTIONS.map((motion) => [`ffmpeg-${motion}${end}`, { motion, av1 }] as const);
    return [[`ffmpeg${end}`, { motion: MOTIONS[0], av1 }] as const, ...named];
  }),
);

export const FFMPEG_MODELS: readonly string[] = [...CAMERAS.keys()];

export function cameraOf(model: string): Camera | undefined {
  return CAMERAS.get(model);
}
