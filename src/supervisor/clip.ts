// A short text out of a long one, for what is kept of it. The short one is a string of its own: a slice as the language
// makes it would keep all of the long one in memory for as long as anybody remembers the slice.

/** At most `charsMax` characters and then an ellipsis. Never ends in half a character. */
export function clip(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const cut = text.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, '');
  return `${Buffer.from(cut, 'utf16le').toString('utf16le')}…`;
}
