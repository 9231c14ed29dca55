// Reads what sd-cli and sd-server print and tells how far a run is. Pure: text in, events out.
//
//   idle ─generate_…→ run ─generating image / generate_video→ sampling ─sampling completed→ run ─decoding→ decoding
//     └───────────────────────────────────── generate_… completed ──────────────────────────────────────────┘
//
// A bar alone proves nothing: loading weights and decoding in tiles draw the same one, so a step only counts between
// the lines that begin and end sampling, and in steps per second.

export type OutputLevel = 'info' | 'warn' | 'error';

export type OutputEvent =
  | { readonly kind: 'line'; readonly level: OutputLevel; readonly text: string }
  /** A generation begins; its size is what the model makes of the asked one. */
  | { readonly kind: 'begun'; readonly width: number; readonly height: number }
  | { readonly kind: 'weights'; readonly done: number; readonly total: number }
  | { readonly kind: 'step'; readonly step: number; readonly steps: number; readonly pass: number }
  | { readonly kind: 'decoding' }
  | { readonly kind: 'ended' };

export type OutputParser = {
  /** A piece of the stream, cut anywhere. */
  push(text: string): OutputEvent[];
  /** What is left of a last line without its end. */
  end(): OutputEvent[];
};

const BAR = /\|([=#> ]{50})\| (\d+)\/(\d+) - ([\d.]+)(s\/it|it\/s|MB\/s|GB\/s)/;
const LOG_LINE = /^\[(INFO|WARN|ERROR|DEBUG) *\] (?:[\w.-]+:\d+ *- )?(.*)$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the bars end in an escape sequence.
const ESCAPES = /\u001b\[[0-9;]*[A-Za-z]/g;
/** A stream without a line end would otherwise grow for ever. */
const LINE_CHARS_MAX = 64 * 1024;

export function openOutputParser(): OutputParser {
  let phase: 'idle' | 'run' | 'sampling' | 'decoding' = 'idle';
  let pass = 0;
  let rest = '';

  function readBar([, cells = '', step, steps, , unit = '']: RegExpExecArray): OutputEvent[] {
    const done = Number(step);
    const total = Number(steps);
    if (unit.endsWith('B/s') || cells.includes('#')) return [{ kind: 'weights', done, total }];
    return phase === 'sampling' ? [{ kind: 'step', step: done, steps: total, pass }] : [];
  }

  function readPhase(text: string): OutputEvent[] {
    const [, what, width, height] = /^generate_(image|video) (\d+)x(\d+)/.exec(text) ?? [];
    if (what !== undefined) {
      pass = 0;
      phase = what === 'video' ? 'sampling' : 'run';
      return [{ kind: 'begun', width: Number(width), height: Number(height) }];
    }
    if (/^generate_(image|video) completed/.test(text)) {
      phase = 'idle';
      return [{ kind: 'ended' }];
    }
    if (phase === 'idle') return [];
    if (/^generating image: \d+\/\d+/.test(text)) phase = 'sampling';
    else if (/^sampling\(high noise\) completed/.test(text)) pass += 1;
    else if (/^sampling completed/.test(text)) {
      pass += 1;
      phase = 'run';
    } else if (/^decoding \d+ latents/.test(text)) {
      phase = 'decoding';
      return [{ kind: 'decoding' }];
    }
    return [];
  }

  function readSegment(raw: string): OutputEvent[] {
    const segment = raw.replace(ESCAPES, '').trimEnd();
    if (segment.trim() === '') return [];
    const bar = BAR.exec(segment);
    if (bar) return readBar(bar);
    const [, name, said] = LOG_LINE.exec(segment) ?? [];
    const text = said ?? segment;
    const level = name === 'WARN' ? 'warn' : name === 'ERROR' ? 'error' : 'info';
    return [{ kind: 'line', level, text }, ...(name === 'INFO' ? readPhase(text) : [])];
  }

  return {
    push(text) {
      const segments = (rest + text).split(/[\r\n]/);
      rest = (segments.pop() ?? '').slice(-LINE_CHARS_MAX);
      // A bar ends in an escape sequence and not in a line end: it counts as soon as it is whole.
      const early = BAR.test(rest) && rest.endsWith('\u001b[K') ? [rest] : [];
      if (early.length) rest = '';
      return [...segments, ...early].flatMap(readSegment);
    },
    end() {
      const last = rest;
      rest = '';
      return readSegment(last);
    },
  };
}
