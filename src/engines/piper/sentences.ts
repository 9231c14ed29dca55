// Cuts a text into pieces to be spoken one after the other: at ends of sentences, and where a sentence is too long at a
// pause. A voice takes breath at the end of each piece, so a cut in the middle of a thought is heard. Pure.

/** A minute of speech or less, after which a cancel is looked for; sentences of books stay below. */
export const PIECE_LENGTH_MAX = 400;

/** A period after these does not end a sentence. Compared in lower case, without the period. */
const ABBREVIATIONS = new Set(
  [
    'mr mrs ms dr prof sr jr st gen col capt lt sgt rev hon pres gov sen rep no nos vol pp fig eq ch sec vs approx dept est inc ltd co corp ave blvd rd e.g i.e cf',
    'z.b abb d.h u.a bzw ca evtl ggf hr fr nr str usw vgl dipl ing mme mlle m av p.ex sra srta ud uds dña núm pág',
  ]
    .join(' ')
    .split(' '),
);
/** Where a voice may pause, best first. */
const PAUSES = [/[;:；：]\s*/g, /[,，、]\s*/g, /\s+/g];
const SPEAKABLE = /[\p{L}\p{N}]/u;

const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' });

/** Pieces with something to say in each; none when there is nothing to say in all of the text. */
export function sentencesOf(text: string, lengthMax = PIECE_LENGTH_MAX): string[] {
  const pieces: string[] = [];
  for (const line of text.normalize('NFC').split(/[\r\n\u2028\u2029]+/)) {
    for (const sentence of inLine(line)) pieces.push(...shorten(sentence, lengthMax));
  }
  return joinSilent(pieces);
}

function inLine(line: string): string[] {
  const sentences: string[] = [];
  let open = '';
  for (const { segment } of segmenter.segment(line.replace(/\s+/g, ' ').trim())) {
    open += segment;
    if (endsEarly(open)) continue;
    sentences.push(open.trim());
    open = '';
  }
  if (open.trim() !== '') sentences.push(open.trim());
  return sentences;
}

/** Whether what looks like the end of a sentence is only an abbreviation, an initial or the number of an item. */
function endsEarly(open: string): boolean {
  const word = /(\S+)\.\s*$/.exec(open)?.[1];
  if (word === undefined) return false;
  const bare = word.replace(/^[("'“‘«[]+/u, '');
  return (
    ABBREVIATIONS.has(bare.toLowerCase()) ||
    /^\p{Lu}(\.\p{Lu})*$/u.test(bare) ||
    /^\d{1,3}$/.test(open.trim().slice(0, -1))
  );
}

function shorten(sentence: string, max: number): string[] {
  const pieces: string[] = [];
  let rest = sentence;
  while (rest.length > max) {
    const cut = cutOf(rest, max);
    pieces.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trim();
  }
  if (rest !== '') pieces.push(rest);
  return pieces;
}

/** The last good pause in the later half, so that no piece is a stump; else wherever no character is cut in two. */
function cutOf(text: string, max: number): number {
  for (const pause of PAUSES) {
    const ends = [...text.slice(0, max).matchAll(pause)].map(({ index, 0: { length } }) => index + length);
    const last = ends.findLast((end) => end > max / 2);
    if (last !== undefined) return last;
  }
  return /[\uD800-\uDBFF]/.test(text[max - 1] ?? '') ? max - 1 : max;
}

/** A piece of punctuation alone makes the library fail; it belongs to what was said before. */
function joinSilent(pieces: readonly string[]): string[] {
  const joined: string[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (SPEAKABLE.test(piece)) joined.push(piece);
    else if (last !== undefined) joined[joined.length - 1] = `${last} ${piece}`;
  }
  return joined;
}
