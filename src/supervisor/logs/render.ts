// One log call as it is written and as it is shipped. Everything here has been redacted before.

/** A longer message is a dump, not a line: it would crowd out the rest of the ring and of a shipped batch. */
export const MESSAGE_CHARS_MAX = 8 * 1024;

/** Cuts, and takes out control characters: text of an engine must not move the cursor of the operator's terminal. */
export function tidy(text: string): string {
  const clean = text.replace(/[^\P{Cc}\n\t]/gu, '');
  if (clean.length <= MESSAGE_CHARS_MAX) return clean;
  return `${clean.slice(0, MESSAGE_CHARS_MAX)}… (${clean.length - MESSAGE_CHARS_MAX} characters more)`;
}

/** `message key=value other="two words"`: how an entry reads where there are no fields, in the ring and at the studio. */
export function withFields(message: string, fields: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${shown(value)}`],
  );
  return tidy(pairs.length === 0 ? message : `${message} ${pairs.join(' ')}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  // An error in one line; its stack is in the log files.
  const { type, message, cause } = value as { type?: unknown; message?: unknown; cause?: unknown };
  if (typeof type !== 'string' || typeof message !== 'string') return JSON.stringify(value);
  return JSON.stringify(cause === undefined ? message : `${message}: ${causeOf(cause)}`);
}

function causeOf(cause: unknown): string {
  const message = (cause as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : String(cause);
}
