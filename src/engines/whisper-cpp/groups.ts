// From what the library answers to timed pieces of text, in which no character is cut. Pure.
import type { Timed, TimedGroup } from '../audio/transcript.ts';
import type { NativeResult, NativeSegment } from './library.ts';

/** What a string has where the library cut a character in two. */
const BROKEN = '\uFFFD';

/**
 * One group a segment. In word mode the library's "segments" are tokens, and `counts` says how many of them each real
 * segment has; otherwise every segment is a group of its own.
 */
export function groupsOf(native: NativeResult, time: (ms: number) => number, counts?: readonly number[]): TimedGroup[] {
  const firstOf = groupStarts(native.segments.length, counts);
  const groups: Timed[][] = [];
  for (const { text, from, to, index } of wholePieces(native)) {
    if (text === '') continue;
    const group = firstOf.findLastIndex((first) => first <= index);
    groups[group] ??= [];
    groups[group].push({ text, start: time(from), end: time(to) });
  }
  return groups.filter((pieces) => pieces !== undefined).map((pieces) => ({ pieces }));
}

function groupStarts(segments: number, counts: readonly number[] | undefined): number[] {
  if (!counts) return Array.from({ length: segments }, (_, i) => i);
  let first = 0;
  return counts.map((count) => {
    first += count;
    return first - count;
  });
}

type Piece = { readonly text: string; readonly from: number; readonly to: number; readonly index: number };

/** Pieces in which no character is cut: those that are, are joined and read from the whole text, where they are intact. */
function wholePieces({ result, segments }: NativeResult): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (let i = 0; i < segments.length; i += 1) {
    const segment = segments[i] as NativeSegment;
    if (!segment.text.includes(BROKEN)) {
      pieces.push({ text: segment.text, from: segment.t0, to: segment.t1, index: i });
      at += segment.text.length;
      continue;
    }
    let last = i;
    while (segments[last + 1]?.text.includes(BROKEN)) last += 1;
    const next = segments.slice(last + 1).find(({ text }) => text !== '')?.text;
    const found = next === undefined ? result.length : result.indexOf(next, at + 1);
    const end = found === -1 ? result.length : found;
    pieces.push({ text: result.slice(at, end), from: segment.t0, to: segments[last]?.t1 ?? segment.t1, index: i });
    at = end;
    i = last;
  }
  return pieces;
}
