// From timed pieces of text to what the contract says: OpenAI's verbose JSON, times in seconds. Pure.

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

/** Scripts that put no spaces between words; each piece of theirs counts as a word. */
const SPACELESS =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Lao}|\p{Script=Khmer}|\p{Script=Myanmar}/u;

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
