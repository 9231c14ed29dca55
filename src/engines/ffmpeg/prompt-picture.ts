// A picture made from the prompt's digest: a sky, a sun and three ranges of hills. It illustrates nothing; it gives the
// camera something to move over, and the same prompt always gives the same one.
import { createHash } from 'node:crypto';

/** The picture's own units on both sides; they are stretched to the size that is asked for. */
const SIDE = 1000;

export function digestOf(prompt: string): Uint8Array {
  return createHash('sha256').update(prompt, 'utf8').digest();
}

/** An SVG without text, whose look would depend on the machine's fonts. */
export function promptPicture(digest: Uint8Array, width: number, height: number): string {
  const at = (i: number) => digest[i % digest.length] ?? 0;
  const hue = (at(0) / 256) * 360;
  const colour = (turn: number, saturation: number, lightness: number) =>
    `hsl(${Math.round((hue + turn) % 360)}, ${saturation}%, ${lightness}%)`;
  const sun = { x: 150 + (at(1) / 255) * 700, y: 150 + (at(2) / 255) * 250, radius: 60 + (at(3) / 255) * 60 };
  const hills = [0, 1, 2].map((range) => {
    const points = Array.from({ length: 9 }, (_, i) => {
      const rise = (at(4 + range * 9 + i) / 255) * 160;
      return `L ${(i * SIDE) / 8} ${Math.round(480 + range * 150 - rise + 60)}`;
    });
    return `<path d="M 0 ${SIDE} ${points.join(' ')} L ${SIDE} ${SIDE} Z" fill="${colour(150 + range * 30, 40, 45 - range * 13)}"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`,
    ` viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none">`,
    `<linearGradient id="sky" x2="0" y2="1"><stop stop-color="${colour(0, 60, 35)}"/>`,
    `<stop offset="1" stop-color="${colour(60, 70, 75)}"/></linearGradient>`,
    `<rect width="${SIDE}" height="${SIDE}" fill="url(#sky)"/>`,
    // As round in the picture as it is flat in its units.
    `<ellipse cx="${sun.x}" cy="${sun.y}" rx="${(sun.radius * height) / Math.max(width, height)}"`,
    ` ry="${(sun.radius * width) / Math.max(width, height)}" fill="${colour(60, 90, 88)}"/>`,
    ...hills,
    '</svg>',
  ].join('');
}
