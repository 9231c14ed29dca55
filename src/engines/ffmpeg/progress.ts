// Reads ffmpeg's machine-readable progress: `name=value` lines, a block of them twice a second.

/** Prefix of the arguments of a run whose standard output is its progress. */
export const PROGRESS_ARGS = ['-progress', 'pipe:1'];

/** Tells the frames and the seconds of output so far, after each block. */
export function progressLines(tell: (done: { frames: number; seconds: number }) => void): (line: string) => void {
  let frames = 0;
  let seconds = 0;
  return (line) => {
    const [name = '', value = ''] = line.split('=');
    // `N/A` until the first packet is out.
    const number = Number(value);
    if (name === 'frame' && Number.isFinite(number)) frames = number;
    // Microseconds, also under this older name, which all versions write.
    if (name === 'out_time_ms' && Number.isFinite(number)) seconds = Math.max(0, number / 1e6);
    if (name === 'progress') tell({ frames, seconds });
  };
}

/** The length of the input as ffmpeg announces it, `Duration: 00:01:02.50, …`, in seconds. `N/A` for what has no index. */
export function durationIn(line: string): number | undefined {
  const [, hours, minutes, seconds] = /^ *(?:\[info\] +)?Duration: (\d+):(\d\d):(\d\d\.\d+),/.exec(line) ?? [];
  return hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}
