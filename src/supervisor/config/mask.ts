// The config for people to look at, or to paste into a bug report: the same, with `****` for every secret.
import { parse, patch } from '@decimalturn/toml-patch';
import { openRedactor } from '../logs/redact.ts';
import { isSecretKey } from './names.ts';

export const MASK = '****';

/** Replaces every non-empty text under a secret's key, at any depth. Numbers and flags are none. */
export function maskValues(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskValues);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const masked = Object.entries(value).map(([key, inner]) => {
    const secret = typeof inner === 'string' && inner !== '' && isSecretKey(key);
    return [key, secret ? MASK : maskValues(inner)];
  });
  return Object.fromEntries(masked);
}

/** Masks TOML and keeps its comments, except for what was a secret before somebody commented it out. */
export function maskText(text: string): string {
  const masked = patch(text, maskValues(parse(text)));
  const comments = masked.replace(/^(\s*#+\s*[\w.-]*?([\w-]+)\s*=\s*)\S.*$/gm, (line, start: string, key: string) =>
    isSecretKey(key) ? `${start}"${MASK}"` : line,
  );
  return openRedactor().text(comments);
}
