// A binary that was found, looked at once a thread: its version, what that version can do, and the devices it lists.
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';
import { binaryEnv } from './binary-env.ts';
import { type Device, parseDevices } from './devices.ts';
import { startFailure } from './errors.ts';
import { type Traits, traitsOf } from './traits.ts';

export type Binary = {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  readonly traits: Traits;
  /** Undefined when the build is too old to say. */
  readonly devices: readonly Device[] | undefined;
};

/** Both questions are answered in milliseconds; a driver that hangs while it is asked is told by this. */
const ASK_MS_MAX = 20_000;
const known = new Map<string, Pick<Binary, 'traits' | 'devices'> & { stamp: string }>();

export type BinaryChoice = {
  readonly file: string;
  /** The only GPU that it sees. */
  readonly device?: number | undefined;
};

export async function openBinary({ file, device }: BinaryChoice, signal?: AbortSignal): Promise<Binary> {
  const { mtimeMs, size } = await stat(file);
  const stamp = `${mtimeMs}/${size}/${device}`;
  const names = await readdir(dirname(file)).catch(() => []);
  const hasLibrary = names.some((name) => /^(lib)?(stable-diffusion|ggml)[\w.-]*\.(so|dylib|dll)/.test(name));
  const env = binaryEnv(process.env, { file, hasLibrary, platform: process.platform, device });
  const before = known.get(file);
  if (before?.stamp === stamp) return { file, env, traits: before.traits, devices: before.devices };
  const traits = traitsOf(await ask(file, '--version', env, signal));
  const devices = traits.listDevices ? parseDevices(await ask(file, '--list-devices', env, signal)) : undefined;
  known.set(file, { stamp, traits, devices });
  return { file, env, traits, devices };
}

async function ask(file: string, question: string, env: Binary['env'], signal?: AbortSignal): Promise<string> {
  const answer = await execa(file, [question], {
    env,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: ASK_MS_MAX,
    ...(signal && { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  if (answer.exitCode === 0) return answer.stdout;
  if (answer.timedOut) {
    throw new Failure('ENGINE_UNAVAILABLE', `\`${file} ${question}\` did not answer within ${ASK_MS_MAX / 1000} s`);
  }
  throw startFailure(file, question, answer.stderr || answer.shortMessage || '');
}
