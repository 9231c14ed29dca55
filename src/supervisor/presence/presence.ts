// Looks every five seconds whether somebody uses this machine, while the operator wants that to count (`only_when_idle`).
// Otherwise nobody is watched, and the studio is told nothing.
import type { ConfigStore } from '../config/store.ts';
import type { Logs } from '../logs/logs.ts';
import type { IdleProbe } from './idle-probe.ts';
import {
  afterSample,
  PRESENCE_AT_START,
  type PresenceState,
  type Sample,
  type UserPresence,
} from './presence-state.ts';

export type PresenceOptions = {
  readonly config: Pick<ConfigStore, 'current'>;
  readonly configChanges: EventTarget;
  readonly logs: Logs;
  readonly everyMs?: number;
};

export interface Presence extends AsyncDisposable {
  readonly current: UserPresence;
  /** `change` after `current` became another. */
  readonly changes: EventTarget;
}

const EVERY_MS = 5_000;

export function openPresence({ config, configChanges, logs, everyMs = EVERY_MS }: PresenceOptions): Presence {
  const changes = new EventTarget();
  let state: PresenceState = PRESENCE_AT_START;
  let probe: IdleProbe | undefined;
  let timer: NodeJS.Timeout | undefined;
  let sampling: Promise<void> | undefined;
  let closed = false;
  const wanted = (): boolean => config.current.onlyWhenIdle && !closed;

  const become = (next: PresenceState): void => {
    const before = state.presence;
    state = next;
    if (before !== next.presence) changes.dispatchEvent(new Event('change'));
  };

  async function sample(): Promise<void> {
    const taken = await takeSample();
    if (!wanted()) return;
    const { state: next, news } = afterSample(state, taken);
    if (news !== undefined) {
      const { level, message, ...fields } = news;
      logs[level]('presence', message, fields);
    }
    become(next);
  }

  async function takeSample(): Promise<Sample> {
    try {
      if (probe === undefined) {
        const { openIdleProbe } = await import('./idle-probe.ts');
        probe = openIdleProbe(process.env);
      }
      return { idleMs: await probe.idleMs() };
    } catch (thrown) {
      return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  /** One at a time: a slow answer is waited for, not overtaken. */
  const look = (): void => {
    sampling ??= sample().finally(() => {
      sampling = undefined;
    });
  };

  const follow = (): void => {
    if (wanted() && timer === undefined) {
      timer = setInterval(look, everyMs);
      look();
    } else if (!wanted() && timer !== undefined) {
      clearInterval(timer);
      timer = undefined;
      become(PRESENCE_AT_START);
    }
  };
  configChanges.addEventListener('change', follow);
  follow();

  return {
    get current() {
      return state.presence;
    },
    changes,
    async [Symbol.asyncDispose]() {
      closed = true;
      configChanges.removeEventListener('change', follow);
      clearInterval(timer);
      await sampling;
      await probe?.[Symbol.asyncDispose]();
    },
  };
}
