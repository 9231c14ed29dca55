// Turns what an engine process prints into log lines, bounded in length and in number: native code can print without end.

const LINE_CHARS_MAX = 2_000;
/** A model load prints some hundred lines; past this rate lines are counted, not kept. */
const LINES_PER_SECOND_MAX = 200;

export type LineSplitter = { push(text: string): void; end(): void };

export function openLineSplitter(
  line: (text: string) => void,
  now: () => number = () => performance.now(),
): LineSplitter {
  let rest = '';
  let cut = false;
  let second = { startedAt: now(), lines: 0 };

  function emit(text: string): void {
    if (now() - second.startedAt >= 1000) {
      const dropped = second.lines - LINES_PER_SECOND_MAX;
      second = { startedAt: now(), lines: 0 };
      if (dropped > 0) line(`(${dropped} more lines in one second)`);
    }
    second.lines += 1;
    if (second.lines <= LINES_PER_SECOND_MAX) line(text);
  }
  function finish(text: string): void {
    // The head of an over-long line is out already, so its tail is dropped.
    if (!cut && text.trim() !== '') emit(text.trimEnd());
    cut = false;
  }
  return {
    push(text) {
      const parts = (rest + text).split(/\r\n|[\r\n]/);
      rest = parts.pop() ?? '';
      for (const part of parts) finish(part.slice(0, LINE_CHARS_MAX));
      if (rest.length <= LINE_CHARS_MAX) return;
      if (!cut) emit(`${rest.slice(0, LINE_CHARS_MAX)}…`);
      cut = true;
      rest = '';
    },
    end() {
      finish(rest);
      rest = '';
    },
  };
}
