// The operator's log: one call goes to stderr, to the rolling files, to the ring that the dashboard shows, and to the queue
// that is shipped to the studio. A job's own log is another stream and not kept here.
import pino from 'pino';
import type { LogEntry } from '../../protocol/index.ts';
import { type FileSink, openFileSink } from './file-sink.ts';
import { openRedactor, type Redactor } from './redact.ts';
import { tidy, withFields } from './render.ts';
import { type LogRing, openRing } from './ring.ts';
import { openShipQueue, type ShipQueue } from './ship-queue.ts';
import { openStderrSink, type StderrStyle } from './stderr-sink.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Values are redacted and made plain; `err` may be whatever was thrown. */
export type LogFields = {
  readonly jobId?: string | undefined;
  readonly err?: unknown;
  readonly [key: string]: unknown;
};

/** `message` is a constant text, what varies goes into `fields`. `category` is a word such as `ws`, `job`, `config`. */
export type LogCall = (category: string, message: string, fields?: LogFields) => void;

/** Somebody who forwards entries elsewhere. */
export type LogObserver = {
  /** `err` is the value that was thrown, not yet redacted; `text` the message without its fields. */
  readonly entry: (entry: LogEntry, err: unknown, text: string) => void;
  /** Must be bounded in time and must not reject. */
  readonly flush: () => Promise<void>;
};

export interface Logs extends AsyncDisposable {
  readonly debug: LogCall;
  readonly info: LogCall;
  readonly warn: LogCall;
  readonly error: LogCall;
  /** From now on this value is taken out of everything. Undefined and very short values are ignored. */
  addSecret(value: string | undefined): void;
  readonly redactor: Redactor;
  /** Entries of level info and above, whatever the level of stderr and files. So does `ship`. */
  readonly ring: LogRing;
  readonly ship: ShipQueue;
  /** What stderr and the files show from now on. */
  setLevel(level: LogLevel): void;
  /** Called for each entry of level info and above. Disposing the result ends that. */
  observe(observer: LogObserver): Disposable;
  /**
   * Waits until observers have passed on what they hold. Stderr and files need no waiting: they are written at once, and
   * are complete even when the process crashes in the next statement.
   */
  flush(): Promise<void>;
}

export type LogsOptions = {
  readonly dir: string;
  readonly level: LogLevel;
  /** Such as `10m`: k, m or g. */
  readonly maxSize: string;
  /** Age at which a file rolls, in days. Default 7. */
  readonly maxAgeDays?: number;
  /** Files to keep, the current one included. */
  readonly keep: number;
  readonly stderr: StderrStyle;
  readonly secrets?: readonly (string | undefined)[];
};

const DAY_MS = 86_400_000;

export async function openLogs(options: LogsOptions): Promise<Logs> {
  const redactor = openRedactor(options.secrets);
  const ring = openRing();
  const ship = openShipQueue();
  const observers = new Set<LogObserver>();
  const stderr = await openStderrSink(options.stderr);

  let file: FileSink | undefined;
  let time = '';
  const logger = pino(
    {
      level: options.level,
      base: null,
      // The time of the entry in ring and ship queue: one entry has one time everywhere.
      timestamp: () => `,"time":"${time}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are plain and redacted already; pino's own serializer would bring in more of them.
      serializers: { err: (value: unknown) => value },
    },
    {
      write(line: string) {
        stderr(line);
        file?.write(line);
      },
    },
  );

  const log = (level: 'debug' | 'info' | 'warn' | 'error'): LogCall => {
    const shipped = level === 'debug' ? undefined : level;
    return (category, message, fields = {}) => {
      if (shipped === undefined && !logger.isLevelEnabled(level)) return;
      time = new Date().toISOString();
      const text = tidy(redactor.text(message));
      const { jobId, ...rest } = redactor.data(fields) as Record<string, unknown>;
      const job = jobId === undefined ? {} : { jobId: String(jobId) };
      logger[level]({ category, ...job, ...withoutReserved(rest) }, text);
      if (shipped === undefined) return;
      const entry: LogEntry = { ts: time, level: shipped, category, message: withFields(text, rest), ...job };
      ring.push(entry);
      ship.push(entry);
      for (const observer of observers) observer.entry(entry, fields.err, text);
    };
  };

  const logs: Logs = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    addSecret: redactor.add,
    redactor,
    ring,
    ship,
    setLevel(level) {
      logger.level = level;
    },
    observe(observer) {
      observers.add(observer);
      return { [Symbol.dispose]: () => void observers.delete(observer) };
    },
    async flush() {
      await Promise.all([...observers].map((observer) => observer.flush()));
    },
    async [Symbol.asyncDispose]() {
      await logs.flush();
      await file?.[Symbol.asyncDispose]();
      file = undefined;
    },
  };
  file = await openFileSink({
    dir: options.dir,
    maxSize: options.maxSize,
    maxAgeMs: (options.maxAgeDays ?? 7) * DAY_MS,
    keep: options.keep,
    // Not to the files, of course: `file` is unset or fails, and a problem while reporting is not reported again.
    onProblem: (problem) => logs.warn('logs', 'log files cannot be written, going on without', { problem }),
  });
  return logs;
}

/** A field of the same name as one of the line's own keys would stand in it twice, and readers would take the later. */
const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'category']);

function withoutReserved(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, value]));
}
