// Shows how the jobs are doing: one block that is drawn anew on a terminal, a line for each change elsewhere.
import type { JobStatus, StudioEvent } from '../operator-client.ts';

export interface ProgressView {
  step(text: string): void;
  track(jobId: string, name: string): void;
  see(event: Extract<StudioEvent, { type: 'job' }>): void;
  /** Leaves the cursor below the block. */
  end(): void;
}

type Line = { name: string; status: JobStatus | 'running'; ratio?: number; detail?: string };

/** The part of a terminal's stream that is used, so that a test can stand in for one. */
export type Screen = { isTTY?: boolean; rows?: number; write(text: string): unknown };

export function openProgressView(screen: Screen): ProgressView {
  const lines = new Map<string, Line>();
  let drawn = 0;

  function draw(): void {
    // Up to the block's first line, and clear from there to the end of the screen.
    const up = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '';
    screen.write(up + [...lines.values()].map((line) => `${describe(line)}\n`).join(''));
    drawn = lines.size;
  }

  function tell(line: Line): void {
    // A block that is taller than the terminal cannot be drawn over: its top has scrolled away.
    if (screen.isTTY && lines.size < (screen.rows ?? Infinity)) draw();
    else screen.write(`${describe(line)}\n`);
  }

  return {
    step(text) {
      screen.write(`${text}\n`);
      drawn = 0;
    },
    track(jobId, name) {
      const line: Line = { name, status: 'queued' };
      lines.set(jobId, line);
      tell(line);
    },
    see({ data }) {
      const line = lines.get(data.jobId);
      if (line === undefined) return;
      const status = data.status === 'claimed' && data.acceptedAt !== undefined ? 'running' : data.status;
      const changed = status !== line.status || data.progress?.ratio !== line.ratio;
      if (!changed) return;
      line.status = status;
      delete line.ratio;
      if (data.progress) line.ratio = data.progress.ratio;
      if (data.error) line.detail = data.error.message;
      tell(line);
    },
    end() {
      drawn = 0;
    },
  };
}

const BAR_CELLS = 20;

function describe({ name, status, ratio, detail }: Line): string {
  const filled = Math.round((ratio ?? 0) * BAR_CELLS);
  const bar =
    status === 'running' && ratio !== undefined
      ? `  [${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}] ${Math.round(ratio * 100)} %`
      : '';
  return `  ${name.padEnd(18)} ${status}${bar}${detail === undefined ? '' : `  ${detail}`}`;
}
