// Jobs as a table for people. Pure.
import type { JobWire } from '../../activity/types.ts';

const HEAD = ['started', 'status', 'kind', 'model', 'source', 'seconds', 'what'];
const WHAT_CHARS_MAX = 60;

export function jobsText(jobs: readonly JobWire[], now: Date): string {
  if (jobs.length === 0) return 'no jobs since the worker started';
  const rows = [HEAD, ...jobs.map((job) => rowOf(job, now))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

function rowOf({ startedAt, finishedAt, status, kind, model, source, reason, prompt }: JobWire, now: Date): string[] {
  const seconds = (Date.parse(finishedAt ?? now.toISOString()) - Date.parse(startedAt)) / 1000;
  return [startedAt, status, kind, model, source, Math.max(0, seconds).toFixed(1), oneLine(reason ?? prompt)];
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= WHAT_CHARS_MAX ? line : `${line.slice(0, WHAT_CHARS_MAX - 1)}…`;
}
