// From the text of config.toml to a `Config`, or to an error that says where the problem is. Never quotes the file: what
// stands there may be a secret.
import { parse as parseToml, TomlError } from 'smol-toml';
import type { z } from 'zod';
import type { PathContext } from './paths.ts';
import { type Config, ConfigFile, toConfig, unknownKeys } from './schema.ts';

export type ConfigErrorCode = 'CONFIG_INVALID' | 'CONFIG_UNREADABLE' | 'CONFIG_UNWRITABLE';

export class ConfigError extends Error {
  static {
    ConfigError.prototype.name = 'ConfigError';
  }
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export type RawConfig = Record<string, unknown>;
export type ParsedConfig = { readonly config: Config; readonly raw: RawConfig; readonly warnings: readonly string[] };

/** `dir` is the folder of the file, to which relative paths in it refer. */
export function parseConfig(text: string, file: string, dir: string, context: PathContext): ParsedConfig {
  const raw = parseRaw(text, file);
  const parsed = ConfigFile.safeParse(raw);
  if (!parsed.success) throw new ConfigError('CONFIG_INVALID', `${file}: ${describe(parsed.error)}`);
  const unknown = unknownKeys(raw);
  const warnings = unknown.length === 0 ? [] : [`${file}: unknown keys, not used: ${unknown.join(', ')}`];
  return { config: toConfig(parsed.data, dir, context), raw, warnings };
}

/** Integers beyond 2^53 stay exact, so that a comparison of two parses misses nothing. */
export function parseRaw(text: string, file: string): RawConfig {
  try {
    return parseToml(text, { integersAsBigInt: 'asNeeded' });
  } catch (thrown) {
    // The error itself, its message and its code block hold lines of the file, so it is not kept as the cause either.
    if (!(thrown instanceof TomlError)) throw new ConfigError('CONFIG_INVALID', `${file}: not valid TOML`);
    throw new ConfigError(
      'CONFIG_INVALID',
      `${file}:${thrown.line}:${thrown.column}: not valid TOML${reasonOf(thrown)}`,
    );
  }
}

/** The parser's own words are letters and spaces; anything else could be a piece of the file. */
function reasonOf(error: TomlError): string {
  const reason = /^Invalid TOML document: ([a-z :-]+)$/.exec(error.message.split('\n', 1)[0] ?? '')?.[1];
  return reason === undefined ? '' : ` (${reason})`;
}

function describe(error: z.ZodError): string {
  const lines = error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || 'the file'} ${issue.message}`);
  return lines.join('; ');
}
