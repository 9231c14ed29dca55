// The rolling log files. They are a convenience: a full disk or a folder without write permission is said once and costs
// log lines, never the worker.
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { beginNextFile, beginningOf, removeOldFiles } from './log-files.ts';

export type FileSinkOptions = {
  readonly dir: string;
  /** Size at which the next file begins, e.g. `10m`. */
  readonly maxSize: string;
  /** Age of its first line at which the next file begins, in ms. */
  readonly maxAgeMs: number;
  /** Files to keep, the current one included. */
  readonly keep: number;
  /** Called at the first problem, and again only after lines were written in between. */
  readonly onProblem: (problem: string) => void;
};

export interface FileSink extends AsyncDisposable {
  write(line: string): void;
}

/** What may wait in memory while the disk refuses to take it, in characters. Beyond that, lines are lost. */
const WAITING_CHARS_MAX = 1024 * 1024;

/** The age is looked at this often at least, in ms: clocks are set, and machines sleep. */
const LOOK_MS_MAX = 3_600_000;

/**
 * Writes synchronously: a line costs about 10 µs, nothing is lost when the process crashes in the next statement, and it
 * needs no thread (pino's transports cost one, with 15 MB of memory).
 */
export async function openFileSink(options: FileSinkOptions): Promise<FileSink> {
  const { dir, keep, maxAgeMs } = options;
  let failing = false;
  const report = (thrown: unknown): void => {
    if (failing) return;
    // Set first: the report is a log line itself and comes back here.
    failing = true;
    options.onProblem(`${dir}: ${describe(thrown)}`);
  };
  const open = async (): Promise<Stream> => {
    const opened = await openStream(options);
    opened.on('error', report);
    opened.on('write', () => {
      failing = false;
    });
    return opened;
  };

  // Logs may name prompts and file names, so they are for their owner only.
  const start = mkdir(dir, { recursive: true, mode: 0o700 }).then(beginAfresh).then(open);
  let stream = await start.catch(report);
  if (stream === undefined) return { write() {}, async [Symbol.asyncDispose]() {} };

  let closed = false;
  let rolling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  // A file without a line is as old as the line that comes first, which comes now.
  let begunMs = (await beginningOf(dir)) ?? Date.now();
  schedule();

  /** The file of the last run may be old enough to be left alone, and there may be more files than are to be kept. */
  async function beginAfresh(): Promise<void> {
    const begun = await beginningOf(dir);
    if (begun !== undefined && isOld(begun)) await beginNextFile(dir);
    await removeOldFiles(dir, keep);
  }

  /** A line from the future was written before the clock was set back: nobody knows how old it is. */
  function isOld(begun: number): boolean {
    return Math.abs(Date.now() - begun) >= maxAgeMs;
  }

  function schedule(): void {
    if (closed) return;
    const leftMs = Math.max(0, begunMs + maxAgeMs - Date.now());
    timer = setTimeout(look, Math.min(leftMs, LOOK_MS_MAX)).unref();
  }

  function look(): void {
    rolling = rollIfOld()
      .catch(report)
      .finally(() => {
        rolling = undefined;
        schedule();
      });
  }

  async function rollIfOld(): Promise<void> {
    // It may have rolled by its size since.
    begunMs = (await beginningOf(dir)) ?? Date.now();
    if (!isOld(begunMs) || closed) return;
    // Said before the attempt: one that fails is made again when the next file would be due.
    begunMs = Date.now();
    await beginNextFile(dir);
    const next = await open();
    const before = stream;
    stream = next;
    before?.end();
    await removeOldFiles(dir, keep);
  }

  return {
    write(line) {
      try {
        stream?.write(line);
      } catch (thrown) {
        report(thrown);
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      await rolling;
      if (stream === undefined) return;
      if (failing) return stream.destroy();
      const ended = once(stream, 'close');
      stream.end();
      await ended;
    },
  };
}

type Stream = Awaited<ReturnType<typeof openStream>>;

async function openStream({ dir, maxSize, keep }: FileSinkOptions) {
  const { default: openRollingFile } = await import('pino-roll');
  return openRollingFile({
    file: path.join(dir, 'worker'),
    extension: '.log',
    size: maxSize,
    limit: { count: keep, removeOtherLogFiles: true },
    sync: true,
    mode: 0o600,
    maxLength: WAITING_CHARS_MAX,
  });
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
