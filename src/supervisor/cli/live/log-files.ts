// The end of the log files, for when no worker runs that could be asked. Reads backwards, so that a file of any size costs
// only what is shown of it.
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { withFields } from '../../logs/render.ts';
import type { LogLine } from './log-text.ts';

const BLOCK_BYTES = 64 * 1024;

/** The oldest of them first. Empty when there are no files. */
export async function lastLogLines(dir: string, count: number): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const file of await newestFirst(dir)) {
    if (lines.length >= count) break;
    lines.unshift(...(await lastLinesOf(file, count - lines.length)).map(lineOf));
  }
  return lines;
}

async function newestFirst(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch(() => []);
  const files = names
    .filter((name) => /^worker\..*\.log$|^worker\.log$/.test(name))
    .map((name) => path.join(dir, name));
  const found = await Promise.all(
    files.map(async (file) => ({
      file,
      at: await stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    })),
  );
  // Two that were written within the same tick of the clock are told apart by their numbers.
  return found.toSorted((a, b) => b.at - a.at || numberOf(b.file) - numberOf(a.file)).map(({ file }) => file);
}

function numberOf(file: string): number {
  return Number(/\.(\d+)\.log$/.exec(file)?.[1] ?? 0);
}

async function lastLinesOf(file: string, count: number): Promise<string[]> {
  await using handle = await open(file);
  const blocks: Buffer[] = [];
  let ends = 0;
  // One line end more than lines: what stands before the first of them is cut off.
  for (let at = (await handle.stat()).size; at > 0 && ends <= count; ) {
    const from = Math.max(0, at - BLOCK_BYTES);
    const block = await readAt(handle, from, at - from);
    ends += block.filter((byte) => byte === 10).length;
    blocks.unshift(block);
    at = from;
  }
  return Buffer.concat(blocks)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .slice(-count);
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function lineOf(text: string): LogLine {
  try {
    const { time, level, category, msg, jobId, ...fields } = JSON.parse(text);
    const job = jobId === undefined ? {} : { jobId: String(jobId) };
    return {
      ts: String(time),
      level: String(level),
      category: String(category),
      message: withFields(String(msg), fields),
      ...job,
    };
  } catch {
    return { ts: '', level: 'warn', category: 'log', message: text };
  }
}
