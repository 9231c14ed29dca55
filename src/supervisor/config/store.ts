// The one owner of config.toml: reads it, edits single keys of it for the worker and the CLI, and notices when somebody
// else did. A file that cannot be read is never overwritten.
import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { defaultConfigText } from './default-file.ts';
import { editToml, type TomlChanges, type TomlValue } from './edit.ts';
import { toSnake } from './names.ts';
import { ConfigError, type ParsedConfig, parseConfig } from './parse.ts';
import type { PathContext } from './paths.ts';
import type { Config } from './schema.ts';
import { adviceFor, codeOf, writeFileAtomically } from './write-file.ts';
import { takeWriteLock } from './write-lock.ts';

/** Root keys with a plain value, by their names in code. Undefined removes the key from the file. */
export type ConfigChanges = {
  readonly [Key in keyof Config as Config[Key] extends TomlValue | undefined ? Key : never]?: Config[Key] | undefined;
};

export type Refreshed = 'unchanged' | 'changed' | { readonly invalid: string };

export interface ConfigStore {
  readonly path: string;
  readonly dir: string;
  /** False when there is no file and none was to be created: `current` then holds the defaults. */
  readonly exists: boolean;
  readonly current: Config;
  /** The text as it stands in the file, secrets included. */
  readonly text: string;
  /** Misspelt and other unknown keys, as lines to log. */
  readonly warnings: readonly string[];
  /** Edits only these keys, in the file as it is now. Safe beside other processes that do the same. */
  patch(changes: ConfigChanges): Promise<Config>;
  /**
   * Cheap enough for every second. `changed`: `current` differs from what the last refresh (or opening) left, whoever
   * changed it, `patch` included. `invalid` is said once for each state of the file; the last good config stays.
   */
  refresh(): Promise<Refreshed>;
}

export type ConfigStoreOptions = {
  /** Whether a missing file is written with defaults. Default false. */
  readonly create?: boolean;
  /** Memory of the device in GiB, 0 when unknown. Asked only when there is no file. */
  readonly detectedVramGb?: () => Promise<number>;
};

export async function openConfigStore(given: string, options: ConfigStoreOptions = {}): Promise<ConfigStore> {
  const file = path.resolve(given);
  const dir = path.dirname(file);
  const context: PathContext = {
    platform: process.platform,
    env: process.env,
    homedir: os.homedir(),
    tmpdir: os.tmpdir(),
  };
  const parse = (text: string): ParsedConfig => parseConfig(text, file, dir, context);

  let stamp = await stampOf(file);
  const found = await readText(file);
  let text = found ?? defaultConfigText((await options.detectedVramGb?.()) ?? 0);
  let exists = found !== undefined;
  if (!exists && options.create) {
    await using _lock = await takeWriteLock(file);
    // Another process may have been first; its file counts.
    const theirs = await readText(file);
    if (theirs === undefined) await writeFileAtomically(file, text);
    text = theirs ?? text;
    exists = true;
    stamp = await stampOf(file);
  }
  let parsed = parse(text);
  let reported = parsed.config;
  let queue: Promise<unknown> = Promise.resolve();

  const take = (newText: string, newParsed: ParsedConfig): void => {
    text = newText;
    exists = true;
    // An equal config keeps its identity, so that comparing two is one comparison of references.
    const same = isDeepStrictEqual(newParsed.config, parsed.config);
    parsed = same ? { ...newParsed, config: parsed.config } : newParsed;
  };

  const patchNow = async (changes: TomlChanges): Promise<Config> => {
    await using _lock = await takeWriteLock(file);
    // A file that vanished meanwhile comes back as it was last seen.
    const before = (await readText(file)) ?? text;
    parse(before);
    const after = editToml(before, changes);
    const afterParsed = parse(after);
    if (after !== before || !exists) await writeFileAtomically(file, after);
    stamp = await stampOf(file);
    take(after, afterParsed);
    return parsed.config;
  };

  const refreshNow = async (): Promise<Refreshed> => {
    const now = await stampOf(file);
    if (now === stamp) return report();
    // Remembered before reading: a change in between then shows as another stamp the next time.
    stamp = now;
    try {
      const newText = await readText(file);
      if (newText === undefined) return { invalid: `${file}: the file is gone, going on with what it said` };
      take(newText, parse(newText));
      return report();
    } catch (thrown) {
      if (thrown instanceof ConfigError) return { invalid: thrown.message };
      throw thrown;
    }
  };

  const report = (): Refreshed => {
    const changed = reported !== parsed.config;
    reported = parsed.config;
    return changed ? 'changed' : 'unchanged';
  };

  /** One at a time, in the order of the calls; the failure of one does not stop the next. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = queue.then(work);
    queue = turn.catch(() => undefined);
    return turn;
  };

  return {
    path: file,
    dir,
    get exists() {
      return exists;
    },
    get current() {
      return parsed.config;
    },
    get text() {
      return text;
    },
    get warnings() {
      return parsed.warnings;
    },
    patch: (changes) => inTurn(() => patchNow(toFileKeys(changes))),
    refresh: () => inTurn(refreshNow),
  };
}

function toFileKeys(changes: ConfigChanges): TomlChanges {
  return Object.fromEntries(Object.entries(changes).map(([key, value]) => [toSnake(key), value]));
}

async function readText(file: string): Promise<string | undefined> {
  try {
    await refuseSpecial(file);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw thrown;
    if (codeOf(thrown) === 'ENOENT') return undefined;
    if (codeOf(thrown) === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      throw new ConfigError('CONFIG_INVALID', `${file}: not valid UTF-8`);
    }
    throw new ConfigError(
      'CONFIG_UNREADABLE',
      `cannot read ${file} (${codeOf(thrown)}). ${adviceFor(codeOf(thrown))}`,
      { cause: thrown },
    );
  }
}

/**
 * A pipe would be waited for without end, and a first change would put an ordinary file in the place of a device such as
 * /dev/null. A folder is left to the reading itself, whose error names it.
 */
async function refuseSpecial(file: string): Promise<void> {
  const stats = await stat(file);
  if (stats.isFile() || stats.isDirectory()) return;
  throw new ConfigError('CONFIG_UNREADABLE', `${file} is not an ordinary file: name another with --config.`);
}

/** Changes whenever the file does. Times in ns, since two writes may fall into one ms. */
async function stampOf(file: string): Promise<string> {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(file, { bigint: true });
    return `${mtimeNs} ${ctimeNs} ${size} ${ino}`;
  } catch (thrown) {
    return codeOf(thrown);
  }
}
