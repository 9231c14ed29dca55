// How the camera moves: the expressions of ffmpeg's zoompan filter, in which `on` is the number of the frame.
// Pure, and the same for the same plan and prompt.
import type { VideoPlan } from './plan.ts';

/** A quarter closer: enough to be seen over two seconds, little enough that the picture stays sharp. */
const ZOOM = 1.25;
/** zoompan places its window on whole pixels of its input; four of them for one of the output hide the steps. */
const OVERSAMPLE_MAX = 4;
/** Longest side of that input: 50 MB of raw colours when square, and 16 a frame more for each pixel to look at. */
const SOURCE_SIDE_MAX = 4096;

/** The size in which the picture is handed to zoompan. */
export function sourceSize({ width, height }: VideoPlan): { width: number; height: number } {
  const most = Math.floor(SOURCE_SIDE_MAX / Math.max(width, height));
  const factor = Math.min(OVERSAMPLE_MAX, Math.max(1, most));
  return { width: width * factor, height: height * factor };
}

/** `anchor` 0 to 8 says where the drift of `ken-burns` ends: rows of three, from the upper left. */
export function zoompan(plan: VideoPlan, anchor: number): string {
  const { motion, frames, width, height, fps } = plan;
  // 0 at the first frame, 1 at the last; a film of one frame stands at its beginning.
  const t = frames > 1 ? `on/${frames - 1}` : '0';
  const spot = motion === 'ken-burns' ? [(anchor % 3) / 2, Math.floor(anchor / 3) / 2] : [0.5, 0.5];
  const along = motion === 'pan-right' ? t : motion === 'pan-left' ? `1-${t}` : String(spot[0]);
  const z = zoomOf(motion, t);
  // Commas end a filter's option, so there are none in these.
  const x = `(iw-iw/zoom)*(${along})`;
  const y = `(ih-ih/zoom)*${spot[1]}`;
  return `zoompan=z='${z}':x='${x}':y='${y}':d=${frames}:s=${width}x${height}:fps=${fps}`;
}

function zoomOf(motion: VideoPlan['motion'], t: string): string {
  switch (motion) {
    case 'still':
      return '1';
    case 'pan-left':
    case 'pan-right':
      return String(ZOOM);
    case 'zoom-out':
      return `${ZOOM}-${ZOOM - 1}*${t}`;
    case 'ken-burns':
    case 'zoom-in':
      return `1+${ZOOM - 1}*${t}`;
    default:
      return motion satisfies never;
  }
}
