// What this machine and this program are called.
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** As the studio shows it to its operator. */
export function machineName(): string {
  return os.hostname() || 'unknown-host';
}

/** A container may run under a user id that has no name. */
export function username(): string {
  try {
    return os.userInfo().username || 'unknown-user';
  } catch {
    return 'unknown-user';
  }
}

let version: string | undefined;

/** The version in package.json, which lies two folders up from here both in `src/` and in `dist/`. */
export function packageVersion(): string {
  version ??= (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
  return version;
}
