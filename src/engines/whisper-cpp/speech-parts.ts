// Which parts of a recording are worth hearing, and how times in those parts become times in the recording. Pure.
import { SPEECH_RATE } from '../audio/limits.ts';

/** In samples; `to` is the first that no longer belongs. */
export type Part = { readonly from: number; readonly to: number };
/** `at`: where the part begins in the joined sound. */
export type JoinedPart = Part & { readonly at: number };

/** Left between parts that were not neighbours, so that the last word of one does not run into the next. whisper.cpp's own figure. */
const GAP_SAMPLES = SPEECH_RATE / 10;
/** Speech that a cut of ours went through comes back as two parts with next to nothing in between. */
const SEAM_SAMPLES = SPEECH_RATE / 5;
/** Loudness is compared over a tenth of a second, about a syllable. */
const HUSH_SAMPLES = SPEECH_RATE / 10;

/** Merges what a seam has cut, and what overlaps through padding. */
export function mergeParts(parts: readonly Part[]): Part[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of parts.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from - last.to <= SEAM_SAMPLES) last.to = Math.max(last.to, to);
    else if (to > from) merged.push({ from, to });
  }
  return merged;
}

export function joinParts(samples: Int16Array, parts: readonly Part[]): { sound: Int16Array; joined: JoinedPart[] } {
  const [only] = parts;
  if (parts.length === 1 && only && only.from === 0 && only.to === samples.length) {
    // All of it: three hours need not be copied.
    return { sound: samples, joined: [{ ...only, at: 0 }] };
  }
  const joined: JoinedPart[] = [];
  let length = 0;
  for (const part of parts) {
    const at = length === 0 ? 0 : length + GAP_SAMPLES;
    joined.push({ ...part, at });
    length = at + part.to - part.from;
  }
  const sound = new Int16Array(length);
  for (const { at, from, to } of joined) sound.set(samples.subarray(from, to), at);
  return { sound, joined };
}

/** Seconds in the recording, of seconds in the joined sound. A time in a gap is the end of what came before. */
export function timeInRecording(seconds: number, joined: readonly JoinedPart[]): number {
  const sample = seconds * SPEECH_RATE;
  const part = joined.findLast(({ at }) => at <= sample) ?? joined[0];
  if (!part) return seconds;
  return Math.min(part.from + Math.max(0, sample - part.at), part.to) / SPEECH_RATE;
}

/** Pieces of at most `max` samples, cut at the quietest moment of the last fifth of each, where a word is least likely. */
export function cutQuietly(samples: Int16Array, max: number): Part[] {
  const parts: Part[] = [];
  let from = 0;
  while (samples.length - from > max) {
    const to = quietest(samples, from + Math.floor(max * 0.8), from + max);
    parts.push({ from, to });
    from = to;
  }
  parts.push({ from, to: samples.length });
  return parts;
}

function quietest(samples: Int16Array, from: number, to: number): number {
  let best = to;
  let least = Number.POSITIVE_INFINITY;
  for (let at = from; at + HUSH_SAMPLES <= to; at += HUSH_SAMPLES / 2) {
    let loudness = 0;
    for (let i = at; i < at + HUSH_SAMPLES; i += 1) loudness += Math.abs(samples[i] ?? 0);
    // The later of two equals, so that silence makes no short pieces.
    if (loudness <= least) [least, best] = [loudness, at + HUSH_SAMPLES / 2];
  }
  return best;
}
