// What may stand in config.toml, and the frozen value that the rest of the program sees. Reads no file.
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { AuthToken, EngineId, isSafeId, TASK_KINDS, type TaskKind } from '../../protocol/index.ts';
import type { EngineDescriptor, GpuChoice } from '../../workers/types.ts';
import { baseUrlProblem, urlProblem } from './base-url.ts';
import { type Camelized, camelize, LEGACY_KEYS } from './names.ts';
import { defaultModelsRoot, type PathContext, resolvePath } from './paths.ts';

export const DEFAULT_API_BASE_URL = 'https://studio.minis.gg/';
export const DEFAULT_THRESHOLD_GB = 12;

const U32_MAX = 2 ** 32 - 1;

/** The same text for a wrong type, `nan`, `inf` and a value out of range: the reader needs the rule, not the case. */
const flag = (fallback: boolean) => z.boolean('must be true or false').default(fallback);
const text = z.string('must be a text in quotes');
const atLeast = (min: number) => {
  const message = `must be ${min} or more`;
  return z.number({ error: `must be a finite number, ${min} or more` }).min(min, message);
};
const whole = (min: number, max: number) => {
  const message =
    max === U32_MAX ? `must be a whole number, ${min} or more` : `must be a whole number from ${min} to ${max}`;
  return z.number(message).int(message).min(min, message).max(max, message);
};
const port = whole(1, 65_535).optional();

/** An empty text is an absent one: a key that someone cleared by hand means "none". */
const optionalText = text.transform((value) => value.trim() || undefined).optional();

const hostName = text.regex(/^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)$/i, 'must be host names without scheme, port or path');

const url = (problemOf: (value: string) => string | undefined) =>
  text.superRefine((value, context) => {
    const problem = problemOf(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const GPU = z.enum(['auto', 'cuda', 'vulkan', 'metal', 'cpu'], 'must be auto, cuda, vulkan, metal or cpu');
/** More GPUs than a machine has. */
const DEVICE_MAX = 63;

const pool = (concurrency: number) =>
  z
    .object({
      vram_gb: atLeast(0).optional(),
      threads: whole(1, 16).default(1),
      concurrency: whole(1, 64).default(concurrency),
      gpu: GPU.optional(),
      device: whole(0, DEVICE_MAX).optional(),
    })
    .refine(({ gpu, device }) => gpu !== 'cpu' || device === undefined, {
      path: ['device'],
      message: 'names a GPU, and this pool computes on the CPU',
    })
    .prefault({});

// A text model takes several sequences at a time at hardly more memory; the others compute one job at a time.
const POOLS = z
  .object({ image: pool(1), llm: pool(4), audio_stt: pool(1), audio_tts: pool(1), video: pool(1) })
  .prefault({});

const LOGGING_TABLE = z.object({
  dir: text.min(1, 'must not be empty').optional(),
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error'], 'must be trace, debug, info, warn or error')
    .default('info'),
  max_size: text.regex(/^[1-9]\d{0,5}[kmg]$/, 'must be a size such as "10m" (k, m or g)').default('10m'),
  max_age_days: whole(1, 3650).default(7),
  keep: whole(1, 100).default(5),
});
const LOGGING = LOGGING_TABLE.prefault({});

const ENGINE = z.object({
  id: text.refine((value) => EngineId.safeParse(value).success, 'must be a lower-case engine id such as "my-engine"'),
  module: text.min(1, 'must not be empty'),
  probe: text.min(1, 'must not be empty').optional(),
  kinds: z
    .array(z.enum(TASK_KINDS, `must be of ${TASK_KINDS.join(', ')}`), 'must be a list of kinds')
    .min(1, 'must name at least one kind'),
  models: z.array(text.min(1, 'must not be empty'), 'must be a list of model names').optional(),
  isolation: z.enum(['process', 'thread'], 'must be process or thread').default('process'),
  load_stall_secs: atLeast(1).optional(),
  run_stall_secs: atLeast(1).optional(),
});

/** `engines` was a text in old versions; such a value is passed over. */
const ENGINES = z
  .preprocess(
    (value) => (typeof value === 'string' ? [] : value),
    z.array(ENGINE, 'must be written as [[engines]] tables'),
  )
  .prefault([]);

export const ConfigFile = z.object({
  api_base_url: url(baseUrlProblem).default(DEFAULT_API_BASE_URL),
  // Both end up in requests: the id in a path, the token in a header.
  worker_id: optionalText.refine(
    (value) => value === undefined || isSafeId(value),
    'must be an id without path characters',
  ),
  auth_token: optionalText.refine(
    (value) => value === undefined || AuthToken.safeParse(value).success,
    'must be visible ASCII characters',
  ),
  vram_threshold_gb: atLeast(0).default(DEFAULT_THRESHOLD_GB),
  auto_enabled: flag(true),
  auto_start: flag(true),
  start_minimised: flag(true),
  only_when_idle: flag(false),
  auto_update_enabled: flag(true),
  // Half an hour: the feed is a public API with a limit of 60 requests an hour for each address.
  auto_update_interval_secs: whole(60, U32_MAX).default(1800),
  auto_update_feed: url(urlProblem).default('https://api.github.com/repos/webbertakken/studio-worker/releases'),
  auto_update_prerelease: flag(false),
  models_root: text.min(1, 'must not be empty').optional(),
  gpu: GPU.default('auto'),
  // One core stays free for the worker itself; ggml spins at its barriers, so one thread too many costs more than a core.
  cpu_threads: whole(1, 1024).default(() => Math.max(1, availableParallelism() - 1)),
  allowed_hosts: z.array(hostName, 'must be a list of host names').default([]),
  only_engines: z.array(text, 'must be a list of engine ids').optional(),
  ws_reconnect_attempts: whole(0, U32_MAX).default(5),
  local_api_port: port,
  stream_port: port,
  stream_enabled: flag(false),
  local_api_token: optionalText,
  install_id: optionalText,
  registration_request_id: optionalText,
  registration_secret: optionalText,
  label: optionalText,
  registration_poll_secs: atLeast(1).default(30),
  shutdown_grace_secs: atLeast(0).default(30),
  keep_alive_secs: z.number('must be a finite number (negative: for ever)').default(300),
  vram_margin_gb: atLeast(0).default(1),
  pools: POOLS,
  logging: LOGGING,
  engines: ENGINES,
});
type ConfigFile = z.output<typeof ConfigFile>;

export type PoolConfig = {
  readonly vramGb: number;
  readonly threads: number;
  readonly concurrency: number;
  readonly gpu?: GpuChoice;
  readonly device?: number;
};
export type LogLevelName = ConfigFile['logging']['level'];
export type LoggingConfig = {
  readonly dir: string;
  readonly level: LogLevelName;
  readonly maxSize: string;
  readonly maxAgeDays: number;
  readonly keep: number;
};

type Plain = Omit<ConfigFile, 'pools' | 'logging' | 'engines' | 'models_root'>;

/** Sizes are in GiB, durations in seconds as in the file; paths are absolute. Frozen, all the way down. */
export type Config = Camelized<Plain> & {
  readonly modelsRoot: string;
  readonly pools: Readonly<Record<TaskKind, PoolConfig>>;
  readonly logging: LoggingConfig;
  /** The operator's own engines. Their modules are run as code, with this worker's rights. */
  readonly engines: readonly EngineDescriptor[];
};

/** Fills in what depends on other keys or on where the file lies: pool budgets, `~`, relative paths. */
export function toConfig(file: ConfigFile, dir: string, context: PathContext): Config {
  const { pools, logging, engines, models_root, ...plain } = file;
  const vramGb = file.vram_threshold_gb;
  return deepFreeze({
    ...camelize(plain),
    modelsRoot: models_root === undefined ? defaultModelsRoot(context) : resolvePath(models_root, dir, context),
    pools: mapValues(pools, ({ vram_gb, gpu, device, ...rest }) => ({
      ...{ vramGb: vram_gb ?? vramGb, ...rest },
      ...(gpu !== undefined && { gpu }),
      ...(device !== undefined && { device }),
    })),
    logging: {
      dir: resolvePath(logging.dir ?? 'logs', dir, context),
      level: logging.level,
      maxSize: logging.max_size,
      maxAgeDays: logging.max_age_days,
      keep: logging.keep,
    },
    engines: engines.map((engine) => toDescriptor(engine, dir, context)),
  });
}

function toDescriptor(engine: z.output<typeof ENGINE>, dir: string, context: PathContext): EngineDescriptor {
  const models = engine.models ?? [`${engine.id}:*`];
  const urlOf = (module: string): string => pathToFileURL(resolvePath(module, dir, context)).href;
  return {
    id: engine.id,
    kinds: engine.kinds,
    models: Object.fromEntries(engine.kinds.map((kind) => [kind, models])),
    isolation: engine.isolation,
    moduleUrl: urlOf(engine.module),
    ...(engine.probe !== undefined && { probeUrl: urlOf(engine.probe) }),
    ...(engine.load_stall_secs !== undefined && { loadStallMs: engine.load_stall_secs * 1000 }),
    ...(engine.run_stall_secs !== undefined && { runStallMs: engine.run_stall_secs * 1000 }),
  };
}

/** Dotted names of keys that mean nothing to this version: most likely misspelt, so the reader is told. */
export function unknownKeys(raw: Readonly<Record<string, unknown>>): string[] {
  const known = new Set([...Object.keys(ConfigFile.shape), ...LEGACY_KEYS]);
  const found = keysBeyond(raw, known, '');
  const poolKeys = new Set(['vram_gb', 'threads', 'concurrency', 'gpu', 'device']);
  found.push(...keysBeyond(raw.pools, new Set(TASK_KINDS), 'pools.'));
  for (const kind of TASK_KINDS) found.push(...keysBeyond(property(raw.pools, kind), poolKeys, `pools.${kind}.`));
  found.push(...keysBeyond(raw.logging, new Set(Object.keys(LOGGING_TABLE.shape)), 'logging.'));
  const engineKeys = new Set(Object.keys(ENGINE.shape));
  for (const engine of Array.isArray(raw.engines) ? raw.engines : []) {
    found.push(...keysBeyond(engine, engineKeys, 'engines.'));
  }
  return [...new Set(found)];
}

function keysBeyond(table: unknown, known: ReadonlySet<string>, prefix: string): string[] {
  if (typeof table !== 'object' || table === null) return [];
  return Object.keys(table).flatMap((key) => (known.has(key) ? [] : [`${prefix}${key}`]));
}

function property(table: unknown, key: string): unknown {
  return typeof table === 'object' && table !== null ? (table as Record<string, unknown>)[key] : undefined;
}

function mapValues<Key extends string, From, To>(from: Record<Key, From>, map: (value: From) => To): Record<Key, To> {
  const entries = Object.entries<From>(from).map(([key, value]) => [key, map(value)]);
  return Object.fromEntries(entries) as Record<Key, To>;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
