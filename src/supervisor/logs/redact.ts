// Keeps secrets out of everything that is written or sent: known ones by their value, unknown ones by their shape. What
// passes here is plain data afterwards, so no sink can bring back what was taken out.

import { tidy } from './render.ts';

export const REDACTED = '[redacted]';

export interface Redactor {
  /** A value that must never appear. Shorter than four characters it cannot be told from ordinary text and is ignored. */
  add(secret: string | undefined): void;
  text(value: string): string;
  /** Any value as plain JSON data: errors with message, code, stack and cause; bounded in depth and in size. */
  data(value: unknown): unknown;
}

const SECRET_CHARS_MIN = 4;

/** A line of a log is read by people; what is longer than this is cut before any work is spent on it. */
const TEXT_CHARS_MAX = 256 * 1024;

const DEPTH_MAX = 6;
const ITEMS_MAX = 100;

/** Each is tried only when its hint occurs, so that an ordinary line costs a few substring searches. */
const SHAPES: readonly { hint: RegExp; pattern: RegExp; by: string }[] = [
  { hint: /bearer/i, pattern: /\b(bearer)\s+[^\s"',;]+/gi, by: `$1 ${REDACTED}` },
  // Access tokens of Hugging Face.
  { hint: /hf_/, pattern: /\bhf_[A-Za-z0-9]{6,}/g, by: REDACTED },
  { hint: /:\/\//, pattern: /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi, by: `$1${REDACTED}@` },
  {
    hint: /[?&;]/,
    pattern: /([?&;][\w.-]*(?:token|secret|signature|password|api_?key)[\w.-]*=)[^&\s"'<>#]+/gi,
    by: `$1${REDACTED}`,
  },
];

/** Fields that hold a secret by their name, whatever their value looks like. */
const SECRET_FIELD = /^(authorization|proxy-authorization|cookie|set-cookie)$|(token|secret|password|api_?key)$/i;

export function openRedactor(secrets: readonly (string | undefined)[] = []): Redactor {
  const known = new Set<string>();
  let knownPattern: RegExp | undefined;

  const add = (secret: string | undefined): void => {
    if (secret === undefined || secret.length < SECRET_CHARS_MIN || known.has(secret)) return;
    // As itself, and as it looks inside a URL or inside JSON text.
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) known.add(form);
    // Longest first: a secret that begins with another must not leave its tail behind.
    const forms = [...known].sort((left, right) => right.length - left.length);
    knownPattern = new RegExp(forms.map((form) => escapeForRegExp(form)).join('|'), 'g');
  };

  const text = (value: string): string => {
    let result = value.length > TEXT_CHARS_MAX ? value.slice(0, TEXT_CHARS_MAX) : value;
    if (knownPattern !== undefined) result = result.replace(knownPattern, REDACTED);
    for (const { hint, pattern, by } of SHAPES) if (hint.test(result)) result = result.replace(pattern, by);
    return result;
  };

  const data = (value: unknown, depth = 0): unknown => {
    switch (typeof value) {
      case 'string':
        return tidy(text(value));
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'boolean':
      case 'undefined':
        return value;
      case 'bigint':
      case 'symbol':
        return String(value);
      case 'function':
        return `[function ${value.name}]`;
    }
    if (value === null) return null;
    // The bound also ends cycles.
    if (depth >= DEPTH_MAX) return '[too deep]';
    if (value instanceof Error) return ofError(value, depth);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof URL) return text(value.href);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (value instanceof Map) return ofObject(Object.fromEntries(value), depth);
    if (Array.isArray(value) || value instanceof Set) return ofArray([...value], depth);
    return ofObject(value as Record<string, unknown>, depth);
  };

  const ofArray = (items: readonly unknown[], depth: number): unknown[] => {
    const shown = items.slice(0, ITEMS_MAX).map((item) => data(item, depth + 1));
    return items.length > ITEMS_MAX ? [...shown, `[${items.length - ITEMS_MAX} more]`] : shown;
  };

  const ofObject = (object: Record<string, unknown>, depth: number): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(object).slice(0, ITEMS_MAX)) {
      const value = object[key];
      const secret = typeof value === 'string' && value !== '' && SECRET_FIELD.test(key);
      result[text(key)] = secret ? REDACTED : data(value, depth + 1);
    }
    return result;
  };

  const ofError = (error: Error, depth: number): Record<string, unknown> => {
    const { code } = error as { code?: unknown };
    const causes = error instanceof AggregateError ? ofArray(error.errors, depth) : undefined;
    return {
      type: error.name,
      message: tidy(text(error.message)),
      ...(code !== undefined && { code: data(code, depth + 1) }),
      ...(error.stack !== undefined && { stack: tidy(text(error.stack)) }),
      ...(error.cause !== undefined && { cause: data(error.cause, depth + 1) }),
      ...(causes !== undefined && { errors: causes }),
    };
  };

  for (const secret of secrets) add(secret);
  return { add, text, data };
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
