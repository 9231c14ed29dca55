// How far something is, on stderr so that stdout stays fit for a pipe: one line that is written over on a terminal,
// otherwise a plain line for every tenth.

export type Progress = {
  readonly phase?: 'fetching' | 'loading' | 'running' | undefined;
  /** 0 to 1. */
  readonly ratio?: number | undefined;
  readonly etaSeconds?: number | undefined;
  /** What it is in all, as far as known. */
  readonly totalBytes?: number | undefined;
};

export interface ProgressLine extends Disposable {
  show(progress: Progress): void;
  /** A line that stays, above the one that moves. */
  note(text: string): void;
}

export type Terminal = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };

const CLEAR = '\r\u001b[K';
const TENTHS = 10;

export function openProgressLine(what: string, stream: Terminal = process.stderr): ProgressLine {
  let told = -1;
  let shown = false;
  let phase: Progress['phase'];

  return {
    show(progress) {
      if (stream.isTTY) {
        stream.write(CLEAR + barText(what, progress, stream.columns ?? 80));
        shown = true;
        return;
      }
      if (progress.phase !== phase) told = -1;
      phase = progress.phase;
      const tenth = Math.floor((progress.ratio ?? 0) * TENTHS);
      if (tenth === told) return;
      told = tenth;
      stream.write(`${what}: ${wordsOf(progress)}\n`);
    },
    note(text) {
      stream.write(`${shown ? CLEAR : ''}${text}\n`);
    },
    [Symbol.dispose]() {
      if (shown) stream.write(CLEAR);
    },
  };
}

/** Never longer than the terminal is wide: a line that wraps could not be written over. */
export function barText(what: string, progress: Progress, columns: number): string {
  const words = `${what}  ${wordsOf(progress)}`;
  const cells = Math.min(40, columns - words.length - 5);
  if (progress.ratio === undefined || cells < 5) return words.slice(0, Math.max(0, columns - 1));
  const full = Math.round(Math.min(1, Math.max(0, progress.ratio)) * cells);
  return `${what}  [${'█'.repeat(full)}${'░'.repeat(cells - full)}]  ${wordsOf(progress)}`;
}

function wordsOf({ phase = 'fetching', ratio, etaSeconds, totalBytes }: Progress): string {
  const words: string[] = [phase];
  if (ratio !== undefined) words.push(`${Math.floor(ratio * 100)} %`);
  if (totalBytes) words.push(`of ${gb(totalBytes)} GB`);
  if (etaSeconds !== undefined) words.push(`${duration(etaSeconds)} left`);
  return words.join(' ');
}

function gb(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1);
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
