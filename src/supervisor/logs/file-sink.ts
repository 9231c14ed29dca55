// The rolling log files. They are a convenience: a full disk or a folder without write permission is said once and costs
// log lines, never the worker.
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

export type FileSinkOptions = {
  readonly dir: string;
  /** Size at which the next file begins, e.g. `10m`. */
  readonly maxSize: string;
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

/**
 * Writes synchronously: a line costs about 10 µs, nothing is lost when the process crashes in the next statement, and it
 * needs no thread (pino's transports cost one, with 15 MB of memory).
 */
export async function openFileSink(options: FileSinkOptions): Promise<FileSink> {
  let failing = false;
  const report = (thrown: unknown): void => {
    if (failing) return;
    // Set first: the report is a log line itself and comes back here.
    failing = true;
    options.onProblem(`${options.dir}: ${describe(thrown)}`);
  };

  const stream = await openStream(options).catch(report);
  if (stream === undefined) return { write() {}, async [Symbol.asyncDispose]() {} };

  stream.on('error', report);
  stream.on('write', () => {
    failing = false;
  });
  return {
    write(line) {
      try {
        stream.write(line);
      } catch (thrown) {
        report(thrown);
      }
    },
    async [Symbol.asyncDispose]() {
      if (failing) return stream.destroy();
      const closed = once(stream, 'close');
      stream.end();
      await closed;
    },
  };
}

async function openStream({ dir, maxSize, keep }: FileSinkOptions) {
  // Logs may name prompts and file names, so they are for their owner only.
  await mkdir(dir, { recursive: true, mode: 0o700 });
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
