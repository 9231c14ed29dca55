// Paths as they were sent. An id in a path is never decoded, so no spelling of `..` or `/` means anything but itself.
import type { Context } from 'hono';

/** The path of a request target in origin form; `undefined` for any other form, and for what some parsers take for a `/`. */
export function pathOf(target: string | undefined): string | undefined {
  if (target === undefined || !target.startsWith('/') || target.includes('\\')) return undefined;
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** The second part of the path: `x` in `/models/x/state`. */
export function idIn(c: Context): string {
  return c.req.path.split('/')[2] ?? '';
}
