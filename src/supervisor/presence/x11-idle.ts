// Asks an X server by its screen-saver extension. The connection is kept, and made anew after it broke.
import { access, constants, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ScreenSaver, XClient } from 'x11';
import type { IdleProbe } from './idle-probe.ts';

type Asking = { readonly client: XClient; readonly saver: ScreenSaver; readonly root: number };

/** A server on this machine answers within a ms; one that is stopped never does. */
const ANSWER_MS_MAX = 3_000;

export function openX11Idle(display: string): IdleProbe {
  let asking: Asking | undefined;

  const forget = (client: XClient): void => {
    if (asking?.client === client) asking = undefined;
    // A socket that is destroyed twice does not mind.
    client.stream?.destroy();
  };

  const connect = async (): Promise<Asking> => {
    refuseOddDisplay(display);
    await refuseUnreadableKeys();
    const { default: x11 } = await import('x11');
    const wait = Promise.withResolvers<Asking>();
    const client = x11.createClient({ display }, (error, opened) => {
      if (error || opened === undefined) return wait.reject(error ?? new Error('no answer'));
      client.require('screen-saver', (failure, saver) => {
        const root = opened.screen[0]?.root;
        if (failure || saver === undefined || root === undefined) {
          return wait.reject(failure ?? new Error('it has no screen-saver extension'));
        }
        wait.resolve({ client, saver, root });
      });
    });
    // The server has ended, or the session of its user: the next question asks anew.
    client.on('error', (error) => {
      wait.reject(error);
      forget(client);
    });
    client.on('end', () => {
      wait.reject(new Error('the connection has ended'));
      forget(client);
    });
    try {
      return await within(wait.promise);
    } catch (error) {
      forget(client);
      throw error;
    }
  };

  const ask = async (): Promise<number> => {
    asking ??= await connect();
    const { client, saver, root } = asking;
    const answer = Promise.withResolvers<number>();
    saver.QueryInfo(root, (error, info) => {
      if (error || info === undefined) answer.reject(error ?? new Error('no answer'));
      else answer.resolve(info.idle);
    });
    try {
      return await within(answer.promise);
    } catch (error) {
      forget(client);
      throw error;
    }
  };

  return {
    async idleMs() {
      try {
        return await ask();
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : 'it refuses the question';
        throw new Error(`the X server ${display} cannot be asked: ${why}`, { cause });
      }
    },
    async [Symbol.asyncDispose]() {
      if (asking !== undefined) forget(asking.client);
    },
  };
}

/** Displays beyond this one have no port; the library tries that port where nobody can catch what it throws. */
const DISPLAY_MAX = 59_535;

function refuseOddDisplay(display: string): void {
  const [, number] = /:(\d+)(?:\.\d+)?$/.exec(display) ?? [];
  if (number === undefined || Number(number) > DISPLAY_MAX) throw new Error('DISPLAY names none');
}

/** The library throws where nobody can catch it when the file with the server's keys is there and cannot be read. */
async function refuseUnreadableKeys(): Promise<void> {
  const file = process.env.XAUTHORITY || path.join(os.homedir(), '.Xauthority');
  const code = await reasonNotToRead(file);
  if (code !== undefined && code !== 'ENOENT') throw new Error(`its keys in ${file} cannot be read (${code})`);
}

async function reasonNotToRead(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isDirectory() ? 'EISDIR' : undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

async function within<T>(promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
