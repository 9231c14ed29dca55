// From what the library answers to what the contract says: OpenAI's verbose JSON, times in seconds. Pure.
import type { NativeResult, NativeSegment } from './library.ts';

export type Word = { readonly word: string; readonly start: number; readonly end: number };
export type Segment = {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly words?: readonly Word[];
};
export type Transcript = {
  readonly text: string;
  readonly language: string;
  readonly duration: number;
  readonly segments: readonly Segment[];
};

/** Text with its times in seconds, in the recording. */
export type Timed = { readonly text: string; readonly start: number; readonly end: number };
export type TimedGroup = { readonly pieces: readonly Timed[] };

/** What a string has where the library cut a character in two. */
const BROKEN = '\uFFFD';
/** Scripts that put no spaces between words; each piece of theirs counts as a word. */
const SPACELESS =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}|\p{Script=Myanmar}/u;

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

export function transcriptOf(
  groups: readonly TimedGroup[],
  { language, duration, words }: { language: string; duration: number; words: boolean },
): Transcript {
  const at = (seconds: number) => Math.round(Math.min(seconds, duration) * 1000) / 1000;
  const segments = groups.map(({ pieces }, id) => ({
    id,
    start: at(pieces[0]?.start ?? 0),
    end: at(pieces.at(-1)?.end ?? 0),
    text: pieces.map(({ text }) => text).join(''),
    ...(words && { words: wordsOf(pieces).map(({ word, start, end }) => ({ word, start: at(start), end: at(end) })) }),
  }));
  const text = segments.map((segment) => segment.text).join('');
  return { text: text.trim(), language, duration: Math.round(duration * 1000) / 1000, segments };
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

function wordsOf(pieces: readonly Timed[]): Word[] {
  const words: { word: string; start: number; end: number }[] = [];
  for (const { text, start, end } of pieces) {
    const word = text.trim();
    const last = words.at(-1);
    if (word === '') continue;
    const joins =
      last && !/^\s/.test(text) && !(SPACELESS.test(word) || (SPACELESS.test(last.word) && /^\p{L}/u.test(word)));
    if (joins) [last.word, last.end] = [last.word + word, end];
    else words.push({ word, start, end });
  }
  return words;
}
