// How long nobody has touched this machine, asked of whatever knows it on this platform. One file for each way to ask.
import { openMacIdle } from './mac-idle.ts';
import { openSessionBusIdle } from './session-bus-idle.ts';
import { openWindowsIdle } from './windows-idle.ts';
import { openX11Idle } from './x11-idle.ts';

export interface IdleProbe extends AsyncDisposable {
  /** Time since the last key or pointer, in ms. Bounded in time; rejects when it cannot be told, with a text for people. */
  idleMs(): Promise<number>;
}

export type ProbeEnv = Readonly<Record<string, string | undefined>>;

export function openIdleProbe(env: ProbeEnv, platform: NodeJS.Platform = process.platform): IdleProbe {
  switch (platform) {
    case 'darwin':
      return openMacIdle();
    case 'win32':
      return openWindowsIdle();
    case 'linux':
      return openLinuxIdle(env);
    default:
      return {
        idleMs: () => Promise.reject(new Error(`nothing is known of how to ask on ${platform}`)),
        async [Symbol.asyncDispose]() {},
      };
  }
}

/** The X server where there is one; under Wayland it would only see the programs that are not Wayland's own. */
function openLinuxIdle(env: ProbeEnv): IdleProbe {
  const { DISPLAY, XDG_SESSION_TYPE } = env;
  const bus = openSessionBusIdle(env);
  if (!DISPLAY || XDG_SESSION_TYPE === 'wayland') return bus;
  const server = openX11Idle(DISPLAY);
  return {
    async idleMs() {
      try {
        return await server.idleMs();
      } catch (first) {
        try {
          return await bus.idleMs();
        } catch (second) {
          throw new Error(`${messageOf(first)}; ${messageOf(second)}`);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await bus[Symbol.asyncDispose]();
    },
  };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
