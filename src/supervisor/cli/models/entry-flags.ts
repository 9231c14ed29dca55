// What `models add` was told, as an entry of the catalogue: a file with all of it, or flags for the usual parts.
import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { CliDefaults } from '../../../protocol/index.ts';
import { UsageError } from '../command.ts';

export type EntryFlags = {
  file?: string | undefined;
  id?: string | undefined;
  kind?: string | undefined;
  engine?: string | undefined;
  fileUrl?: string[] | undefined;
  vramGb?: string | undefined;
  name?: string | undefined;
  group?: string | undefined;
  set?: string[] | undefined;
};

/** Not checked any further: that is the catalogue's, wherever it lies. */
export type GivenEntry = { readonly id: string; readonly [key: string]: unknown };

/** Of a flag that was given twice the last one counts, as everywhere, but for the two that are lists. */
export function lastOfEach<Flags extends EntryFlags>(flags: Flags): Flags {
  const entries = Object.entries(flags).map(([key, value]) => {
    const isList = key === 'fileUrl' || key === 'set' || key === '_';
    return [key, Array.isArray(value) && !isList ? value.at(-1) : value];
  });
  return Object.fromEntries(entries) as Flags;
}

export async function readEntry(flags: EntryFlags): Promise<GivenEntry> {
  return flags.file === undefined ? entryOf(flags) : readEntryFile(flags);
}

async function readEntryFile({ file = '', ...flags }: EntryFlags): Promise<GivenEntry> {
  const others = Object.entries(flags).filter(([key, value]) => value !== undefined && FLAGS.has(key));
  if (others.length > 0) throw new UsageError('--file is the whole entry: give no other flags of the model with it');
  const where = file === '-' ? 'standard input' : file;
  const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8').catch(unreadable(file));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(`${where} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || typeof (value as { id?: unknown }).id !== 'string') {
    throw new UsageError(`${where} is not an entry: it must be an object with at least "id", "kind" and "source"`);
  }
  return value as GivenEntry;
}

function unreadable(file: string): (thrown: NodeJS.ErrnoException) => never {
  return ({ code, message }) => {
    throw new Error(`cannot read ${file} (${code ?? message})`);
  };
}

const FLAGS = new Set(['id', 'kind', 'engine', 'fileUrl', 'vramGb', 'name', 'group', 'set']);

export function entryOf(flags: EntryFlags): GivenEntry {
  const { id, kind, engine, fileUrl = [], vramGb, name, group, set = [] } = flags;
  if (id === undefined || kind === undefined || engine === undefined) {
    throw new UsageError('models add needs --file, or --id, --kind and --engine');
  }
  return {
    id,
    displayName: name ?? id,
    kind,
    ...(vramGb !== undefined && { vramGbEstimate: numberOf(vramGb) }),
    ...(group !== undefined && { exclusiveGroup: group }),
    source: {
      engine,
      files: fileUrl.map(fileOf),
      // Text models have no use for these four, which the wire demands of every model.
      cliDefaults: { cfgScale: 0, steps: 0, width: 0, height: 0, ...Object.fromEntries(set.map(settingOf)) },
    },
  };
}

function numberOf(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError('--vram-gb must be a number such as 3 or 1.5');
  return Number(text);
}

/** `role=url`, with the digest behind a `#`, as a server is never sent it. */
function fileOf(given: string): { role: string; url: string; filename: string; sha256?: string } {
  const at = given.indexOf('=');
  const role = given.slice(0, at);
  const [address = '', fragment] = given.slice(at + 1).split('#', 2);
  const url = URL.parse(address);
  if (at < 1 || (url?.protocol !== 'https:' && url?.protocol !== 'http:')) {
    throw new UsageError(`--file-url must be role=url, such as model=https://example.com/m.gguf, not \`${given}\``);
  }
  const sha256 = fragment === undefined ? undefined : /^sha256=([0-9a-f]{64})$/i.exec(fragment)?.[1];
  if (fragment !== undefined && sha256 === undefined) {
    throw new UsageError('--file-url: behind the # there must be sha256= and 64 hex digits');
  }
  const filename = decoded(url.pathname.split('/').at(-1) ?? '');
  if (filename === '') throw new UsageError(`--file-url must end in the name of a file, not \`${given}\``);
  return { role, url: address, filename, ...(sha256 !== undefined && { sha256 }) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A value that reads as JSON is that, so that numbers and objects need no further quoting; anything else is a text. */
function settingOf(given: string): [key: string, value: unknown] {
  const at = given.indexOf('=');
  if (at < 1) throw new UsageError(`--set must be key=value, such as contextSize=8192, not \`${given}\``);
  const key = given.slice(0, at);
  const text = given.slice(at + 1);
  if (!Object.hasOwn(CliDefaults.shape, key)) {
    throw new UsageError(`--set knows no \`${key}\`; there are: ${Object.keys(CliDefaults.shape).join(', ')}`);
  }
  try {
    return [key, JSON.parse(text)];
  } catch {
    return [key, text];
  }
}
