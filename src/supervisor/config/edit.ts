// Changes single root keys in the text of a TOML file and leaves everything else as its owner wrote it: comments, order,
// blank lines, line ends, byte order mark. Pure.
import { isDeepStrictEqual } from 'node:util';
import { parse, patch, stringify } from '@decimalturn/toml-patch';
import { parseRaw, type RawConfig } from './parse.ts';

export type TomlValue = string | number | boolean;

/** By key as it stands in the file; undefined removes the key. */
export type TomlChanges = Readonly<Record<string, TomlValue | undefined>>;

/** Throws when the result would not say exactly what was asked for, so a bug in a library cannot eat a config. */
export function editToml(text: string, changes: TomlChanges): string {
  const before = parseRaw(text, 'config');
  const wanted = applied(before, changes);
  const added = Object.keys(changes).filter((key) => changes[key] !== undefined && !Object.hasOwn(before, key));
  const withoutAdded = Object.fromEntries(Object.entries(changes).filter(([key]) => !added.includes(key)));

  const patched = patch(text, applied(parse(text), withoutAdded));
  const lines = added.map((key) => stringify({ [key]: changes[key] }).trim());
  for (const candidate of [insertBeforeTables(patched, lines), patch(text, applied(parse(text), changes))]) {
    if (says(candidate, wanted)) return candidate;
  }
  throw new Error('the edited config would not have said what was asked for, so it was left as it is');
}

function applied(base: RawConfig, changes: TomlChanges): RawConfig {
  const result: RawConfig = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  return result;
}

function says(text: string, wanted: RawConfig): boolean {
  try {
    return isDeepStrictEqual(toPlain(parseRaw(text, 'config')), toPlain(wanted));
  } catch {
    return false;
  }
}

/** Tables come without a prototype from one parser and with one from a spread; only what they hold counts. */
function toPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]));
}

/**
 * New root keys must stand before the first table header, and before the comment block that belongs to that table, which
 * the library would tear off. A header-like line inside a multi-line string is told by the caller's check.
 */
function insertBeforeTables(text: string, added: readonly string[]): string {
  if (added.length === 0) return text;
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.split(/\r?\n/);
  const header = lines.findIndex((line) => /^\s*\[/.test(line));
  if (header === -1) {
    if (lines.at(-1) === '') lines.pop();
    return [...lines, ...added, ''].join(newline);
  }
  let at = header;
  while (at > 0 && /^\s*#/.test(lines[at - 1] ?? '')) at -= 1;
  const gap = at > 0 && lines[at - 1]?.trim() === '' ? at - 1 : at;
  lines.splice(gap, 0, ...added, ...(gap === at ? [''] : []));
  return lines.join(newline);
}
