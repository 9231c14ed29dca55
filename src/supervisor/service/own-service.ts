// The service that this very process is, if a service manager started it: what it is told at the turns of the worker's
// life. Nothing of it is loaded otherwise.
import type { Logs } from '../logs/logs.ts';
import type { Notifier } from './notifier.ts';
import type { Vitals } from './vitals.ts';

/** From the end of the grace to the end of the process: results are delivered for up to 10 s, then files close. In ms. */
const AFTER_GRACE_MS = 30_000;

/** The trial of a new version takes up to 180 s, and going back from it another start. In ms. */
const RELAUNCH_MS_MAX = 600_000;

export interface OwnService extends AsyncDisposable {
  ready(): void;
  /** The worker drains. `why` is a signal's name when somebody wants this process to end. */
  draining(graceSecs: number, why: string): void;
  relaunching(): void;
}

/** `isTrial`: a new version is tried beside the process that the service manager knows, and keeps silent. */
export async function openOwnService(options: { vitals: Vitals; logs: Logs; isTrial: boolean }): Promise<OwnService> {
  const { vitals, logs, isTrial } = options;
  let notifier: Notifier | undefined;
  if (process.env.NOTIFY_SOCKET && !isTrial) {
    const { openNotifier } = await import('./notifier.ts');
    notifier = openNotifier({ env: process.env, pid: process.pid, vitals, logs });
  }
  return {
    ready: () => notifier?.ready(),
    draining(graceSecs, why) {
      const ms = graceSecs * 1000 + AFTER_GRACE_MS;
      vitals.expectEnd(ms, 'stopping');
      // A worker that restarts itself in its own process must not be taken for one that is going away.
      if (why.startsWith('SIG')) notifier?.stopping(ms);
    },
    relaunching: () => notifier?.relaunching(RELAUNCH_MS_MAX),
    async [Symbol.asyncDispose]() {
      await notifier?.[Symbol.asyncDispose]();
    },
  };
}
