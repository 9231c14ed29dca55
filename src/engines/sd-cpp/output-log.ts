// What a binary said: every line to the job's log, and the telling ones kept for the message of a failure. One a run.
import type { EngineLogLevel } from '../engine.ts';
import { type OutputEvent, type OutputLevel, openOutputParser } from './output-parser.ts';

/** A model with wrong tensors prints 125 kB of errors, and a wrong flag 24 kB of usage text. */
const LOG_LINES_MAX = 400;
const KEPT_LINES = 40;

export type OutputLog = {
  /** Lines are logged and events are told in one order, so that each line goes to the job that it is about. */
  push(stream: 'stdout' | 'stderr', text: string, heard: (event: OutputEvent) => void): void;
  /** Lines of the last words: warnings, errors, and all that came on stderr. */
  readonly lines: readonly string[];
};

/** `forgetful`: for a program of many runs, each of which has a log of its own, and old words that explain nothing. */
export function openOutputLog(
  log: (level: EngineLogLevel, message: string) => void,
  { forgetful = false } = {},
): OutputLog {
  const parsers = { stdout: openOutputParser(), stderr: openOutputParser() };
  const lines: string[] = [];
  let logged = 0;

  function hear(stream: 'stdout' | 'stderr', level: OutputLevel, text: string): void {
    if (level !== 'info' || stream === 'stderr') {
      lines.push(text);
      // The first lines name the cause and the last ones the consequence, so the middle goes.
      if (lines.length > KEPT_LINES) lines.splice(KEPT_LINES / 2, 1);
    }
    logged += 1;
    if (logged === LOG_LINES_MAX) log('warn', `more than ${LOG_LINES_MAX} lines; the rest is left out`);
    if (logged < LOG_LINES_MAX) log(stream === 'stderr' && level === 'info' ? 'warn' : level, text);
  }

  return {
    lines,
    push(stream, text, heard) {
      for (const event of parsers[stream].push(text)) {
        if (event.kind === 'line') hear(stream, event.level, event.text);
        else if (event.kind === 'begun' && forgetful) {
          lines.length = 0;
          logged = 0;
        }
        heard(event);
      }
    },
  };
}
