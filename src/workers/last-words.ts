// What a child process printed: read as lines, the last ones kept, and the one found that most likely says why it ended.
import type { ChildProcess } from 'node:child_process';
import { openLineSplitter } from './lines.ts';

/** What the process printed last must be read before its end is told; a grandchild may keep the pipe open for ever. */
const LAST_WORDS_MS = 100;
/** A native abort prints its reason and then a stack of some ten lines. */
const LAST_LINES = 30;

export type LastWords = {
  /** Resolves when both outputs have ended or, after the exit, a moment has passed. */
  readonly read: Promise<void>;
  /** The line that most likely says why the process ended. */
  telling(): string | undefined;
};

export function openLastWords(child: ChildProcess, line: (text: string) => void = () => {}): LastWords {
  const lastLines: string[] = [];
  const read = readWords(child, (text) => {
    lastLines.push(text);
    if (lastLines.length > LAST_LINES) lastLines.shift();
    line(text);
  });
  return { read, telling: () => tellingLine(lastLines) };
}

async function readWords(child: ChildProcess, line: (text: string) => void): Promise<void> {
  for (const stream of [child.stdout, child.stderr]) {
    const splitter = openLineSplitter(line);
    stream?.setEncoding('utf8').on('data', (text: string) => splitter.push(text));
    stream?.on('end', () => splitter.end());
  }
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  child.once('close', () => resolve());
  child.once('error', () => resolve());
  child.once('exit', () => {
    const timer = setTimeout(resolve, LAST_WORDS_MS);
    void closed.then(() => clearTimeout(timer));
  });
  await closed;
}

function tellingLine(lines: readonly string[]): string | undefined {
  // A frame of a stack names a function or a file, and "abort" in it says nothing.
  const words = lines.filter((line) => !/^\s*(at |#?\d+:? )/.test(line));
  const telling = words.findLast((line) => /error|assert|abort|fatal|fail|exception|out of memory/i.test(line));
  return telling?.trim().slice(0, 300);
}
