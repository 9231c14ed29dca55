// Where sd-cli and sd-server are looked for. The order is pure; only `findBinaries` touches the disk.
import { access, constants, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';

export type BinaryName = 'sd-cli' | 'sd-server';
export type Binaries = { readonly cli?: string; readonly server?: string };

export type Places = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly modelsRoot: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
};

const OVERRIDE = { 'sd-cli': 'STUDIO_WORKER_SD_CLI', 'sd-server': 'STUDIO_WORKER_SD_SERVER' } as const;

export function placesHere(modelsRoot: string): Places {
  return { env: process.env, modelsRoot, home: homedir(), platform: process.platform };
}

/** The operator's own path, which must then be right. */
export function overrideOf(name: BinaryName, { env }: Places): string | undefined {
  return env[OVERRIDE[name]]?.trim() || undefined;
}

/** Every place of a binary, best first. */
export function candidates(name: BinaryName, places: Places): string[] {
  const { env, modelsRoot, home, platform } = places;
  const file = fileNameOf(name, platform);
  const onPath = (env.PATH ?? env.Path ?? '').split(delimiter).filter((folder) => folder !== '');
  return [join(modelsRoot, 'bin'), join(home, '.local', 'bin'), ...onPath].map((folder) => join(folder, file));
}

/**
 * The server is preferred by whoever asks, since it keeps the model loaded. An operator who names an sd-cli and no
 * server gets the server beside it, or none: one of another version from elsewhere is not what they asked for.
 */
export async function findBinaries(places: Places): Promise<Binaries> {
  const cli = (await named('sd-cli', places)) ?? (await firstExecutable(candidates('sd-cli', places)));
  const chosenCli = overrideOf('sd-cli', places);
  const servers = chosenCli
    ? [join(dirname(chosenCli), fileNameOf('sd-server', places.platform))]
    : candidates('sd-server', places);
  const server = (await named('sd-server', places)) ?? (await firstExecutable(servers));
  return { ...(cli !== undefined && { cli }), ...(server !== undefined && { server }) };
}

function fileNameOf(name: BinaryName, platform: NodeJS.Platform): string {
  return platform === 'win32' ? `${name}.exe` : name;
}

async function named(name: BinaryName, places: Places): Promise<string | undefined> {
  const path = overrideOf(name, places);
  if (path === undefined || (await isExecutable(path))) return path;
  const why = `${OVERRIDE[name]} names \`${path}\`, which is not an executable file`;
  throw new Failure('ENGINE_UNAVAILABLE', `${why}; correct it, or unset it to look in the usual places`);
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isExecutable(path)) return path;
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
