// Where a worker's files live. Pure functions of platform, environment and home folder; nothing here touches a disk.
import path from 'node:path';

export type PathContext = {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Empty when the user has none. */
  readonly homedir: string;
  readonly tmpdir: string;
};

const FOLDER = 'minis-studio-worker';

/** The config file when no `--config` is given. Upstream's documented places, the same on Linux and macOS. */
export function defaultConfigPath({ platform, env, homedir }: PathContext): string {
  const { join } = flavour(platform);
  if (platform === 'win32') {
    return join(nonEmpty(env.APPDATA) ?? join(homedir, 'AppData', 'Roaming'), FOLDER, 'config.toml');
  }
  const xdg = nonEmpty(env.XDG_CONFIG_HOME);
  // The XDG specification: a relative value is invalid and to be ignored.
  const base = xdg !== undefined && path.posix.isAbsolute(xdg) ? xdg : join(homedir, '.config');
  return join(base, FOLDER, 'config.toml');
}

/** `~/models`, or a folder for temporary files when the user has no home. */
export function defaultModelsRoot({ platform, homedir, tmpdir }: PathContext): string {
  const { join } = flavour(platform);
  return homedir === '' ? join(tmpdir, 'studio-worker-models') : join(homedir, 'models');
}

/** Expands a leading `~` or `~/` (and `~\` on Windows), then makes the path absolute, relative to `base`. */
export function resolvePath(given: string, base: string, { platform, homedir }: PathContext): string {
  const { join, resolve } = flavour(platform);
  const inHome = given === '~' || given.startsWith('~/') || (platform === 'win32' && given.startsWith('~\\'));
  return inHome && homedir !== '' ? join(homedir, given.slice(1)) : resolve(base, given);
}

export type SiblingPaths = {
  readonly dir: string;
  readonly lock: string;
  readonly pid: string;
  readonly logs: string;
  readonly outbox: string;
  readonly scratch: string;
  readonly previews: string;
  readonly localApi: string;
  readonly residency: string;
  readonly memory: string;
  readonly engines: string;
  readonly models: string;
};

/** Everything that a worker keeps lies beside its config file, so several workers run side by side on one machine. */
export function siblingPaths(configPath: string, platform: NodeJS.Platform = process.platform): SiblingPaths {
  const { dirname, join } = flavour(platform);
  const dir = dirname(configPath);
  return {
    dir,
    lock: join(dir, 'daemon.lock'),
    pid: join(dir, 'daemon.pid'),
    logs: join(dir, 'logs'),
    outbox: join(dir, 'outbox'),
    scratch: join(dir, 'scratch'),
    previews: join(dir, 'previews'),
    localApi: join(dir, 'local-api.json'),
    residency: join(dir, 'residency.json'),
    memory: join(dir, 'memory.json'),
    engines: join(dir, 'engines.json'),
    models: join(dir, 'models.json'),
  };
}

function flavour(platform: NodeJS.Platform): path.PlatformPath {
  return platform === 'win32' ? path.win32 : path.posix;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
