// The environment that the binaries are started with. Pure.
import { dirname } from 'node:path';
import { deviceEnv } from '../device-env.ts';

const SECRET_NAME = /TOKEN|SECRET|PASSW|CREDENTIAL|KEY|DSN/i;

/** `hasLibrary`: a shared library of stable-diffusion.cpp lies beside the binary. */
export function binaryEnv(
  env: Readonly<Record<string, string | undefined>>,
  at: { file: string; hasLibrary: boolean; platform: NodeJS.Platform; device?: number | undefined },
): Record<string, string> {
  const { file, hasLibrary, platform } = at;
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !SECRET_NAME.test(entry[0]),
  );
  // Without it a failed assertion starts a debugger, where one is installed, and prints its backtrace on stdout.
  const own: Record<string, string> = { ...Object.fromEntries(kept), ...deviceEnv(at.device), GGML_NO_BACKTRACE: '1' };
  const pathName = platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : platform === 'win32' ? undefined : 'LD_LIBRARY_PATH';
  if (!pathName || !hasLibrary) return own;
  return { ...own, [pathName]: [dirname(file), own[pathName]].filter(Boolean).join(':') };
}
