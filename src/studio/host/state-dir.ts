// Where a studio keeps its state unless told otherwise, and the admin token that lies there.
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeFolder } from './make-folder.ts';

type Place = { platform: NodeJS.Platform; env: NodeJS.ProcessEnv; homedir: string };

export function defaultStateDir(
  place: Place = { platform: process.platform, env: process.env, homedir: os.homedir() },
) {
  const { platform, env, homedir } = place;
  if (platform === 'win32') {
    const base = env.LOCALAPPDATA || path.win32.join(homedir, 'AppData', 'Local');
    return path.win32.join(base, 'studio-worker', 'studio');
  }
  // The XDG specification wants a relative path ignored.
  const xdg = env.XDG_DATA_HOME;
  const base = xdg && path.posix.isAbsolute(xdg) ? xdg : path.posix.join(homedir, '.local', 'share');
  return path.posix.join(base, 'studio-worker', 'studio');
}

export const adminTokenFile = (stateDir: string): string => path.join(stateDir, 'admin-token');

/** The token of this folder, made once. Readable for its owner alone. */
export async function loadAdminToken(stateDir: string): Promise<string> {
  await makeFolder(stateDir, 'state folder', 0o700);
  const file = adminTokenFile(stateDir);
  try {
    // `wx` fails when the file is there, so two first starts cannot each write their own token.
    await writeFile(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const token = (await readFile(file, 'utf8')).trim();
  if (token === '') throw new Error(`${file} is empty: remove it, and a new token is made`);
  return token;
}
