// The bearer token of the local API: made at the first start, kept in the config file, and the same ever after.
import { randomBytes } from 'node:crypto';
import type { ConfigStore } from '../config/store.ts';
import type { Logs } from '../logs/logs.ts';

/** What an operator may choose instead of a token of ours: long enough that nobody guesses it, and fit for a header. */
const USABLE = /^[\x21-\x7e]{32,256}$/;

export function isUsableToken(token: string | undefined): token is string {
  return token !== undefined && USABLE.test(token);
}

/** The saved token, or a new one. It then holds for this run at least, also when it cannot be saved. */
export async function ensureToken(config: ConfigStore, logs: Logs): Promise<string> {
  const { localApiToken } = config.current;
  if (isUsableToken(localApiToken)) return localApiToken;
  if (localApiToken !== undefined) {
    logs.warn('api', 'local_api_token is replaced: it is not 32 to 256 visible ASCII characters');
  }
  const made = randomBytes(32).toString('hex');
  logs.addSecret(made);
  try {
    await config.patch({ localApiToken: made });
  } catch (err) {
    logs.warn('api', 'the token of the local API could not be saved; it changes with the next start', { err });
  }
  return made;
}
