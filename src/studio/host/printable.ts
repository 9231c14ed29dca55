// Makes text that somebody else chose fit for one line of a terminal: whoever asks to be let in picks their own label,
// and must not move the operator's cursor, or add a line that looks like the studio's own.

/** More of a name than fits a line helps nobody. */
const CHARS_MAX = 80;

/** Control characters, and those that reorder the text around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

export function printable(text: string): string {
  const line = text.replace(UNSEEN, ' ').trim();
  return line.length > CHARS_MAX ? `${line.slice(0, CHARS_MAX)}…` : line;
}
