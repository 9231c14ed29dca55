// Tells systemd how the worker is: that it is up, what it does, that it lives, that it stops. Node has no sockets of
// systemd's kind (unix datagrams), so systemd's own `systemd-notify` speaks; it waits until it was heard, and one runs at
// a time. Loaded only when a service manager asked for it.
import type { Logs } from '../logs/logs.ts';
import { runProgram } from '../run-program.ts';
import type { Vitals } from './vitals.ts';

export type NotifierOptions = {
  /** Of a process that systemd started: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly vitals: Vitals;
  readonly logs: Logs;
  /** How often the vitals are looked at, in ms. */
  readonly everyMs?: number;
};

export interface Notifier extends AsyncDisposable {
  /** The worker is up: systemd starts what waits for it. */
  ready(): void;
  /** Another program takes this process over, may take `ms` until it speaks itself, and is not to be killed for that. */
  relaunching(ms: number): void;
  /** The worker was asked to stop and may take `ms` for that, whatever its unit says. */
  stopping(ms: number): void;
}

const NOTIFY_MS_MAX = 10_000;

/** Often enough for a sign of life to be sent soon after there is one, rare enough to cost nothing. */
const EVERY_MS = 5_000;

/** Pings in one watchdog time: a lost one and a late one do no harm. */
const PINGS = 3;

export function openNotifier({ env, pid, vitals, logs, everyMs = EVERY_MS }: NotifierOptions): Notifier {
  const watchdogMs = watchdogOf(env, pid);
  const waiting = new Map<string, string>();
  let speaking: Promise<void> | undefined;
  let failed = false;
  let toldStatus = '';
  let pingedAt = Number.NEGATIVE_INFINITY;

  /** What was not said yet is overtaken by a later word of the same name. */
  const say = (words: Readonly<Record<string, string>>): void => {
    for (const [name, value] of Object.entries(words)) waiting.set(name, value);
    speaking ??= speak().finally(() => {
      speaking = undefined;
    });
  };

  async function speak(): Promise<void> {
    while (waiting.size > 0) {
      const words = [...waiting];
      waiting.clear();
      const answer = await runProgram(['systemd-notify', ...words.map(([name, value]) => `${name}=${value}`)], {
        timeoutMs: NOTIFY_MS_MAX,
        env,
      });
      if (!answer.ok && !failed) {
        logs.warn('service', 'systemd cannot be told how this worker is, and may restart it', {
          problem: answer.problem,
          remedy: 'install systemd-notify, or write the service anew with `studio-worker install-service`',
        });
      }
      failed = !answer.ok;
      if (!failed) continue;
      // The next look says it again, except for signs of life: they would come too late to be true.
      for (const [name, value] of words) if (name !== 'WATCHDOG' && !waiting.has(name)) waiting.set(name, value);
      return;
    }
  }

  const status = (): Record<string, string> => {
    if (vitals.status === toldStatus) return {};
    toldStatus = vitals.status;
    return { STATUS: oneLine(toldStatus) };
  };

  const look = (): void => {
    const words = status();
    const due = watchdogMs !== undefined && performance.now() - pingedAt >= watchdogMs / PINGS - everyMs / 2;
    if (due && vitals.isAlive()) {
      pingedAt = performance.now();
      words.WATCHDOG = '1';
    }
    if (Object.keys(words).length > 0 || waiting.size > 0) say(words);
  };
  const timer = setInterval(look, watchdogMs === undefined ? everyMs : Math.min(everyMs, watchdogMs / (PINGS + 1)));

  return {
    ready: () => say({ READY: '1', ...watchdogTime(watchdogMs), ...status() }),
    relaunching: (ms) =>
      say({ ...watchdogTime(watchdogMs === undefined ? undefined : ms), WATCHDOG: '1', ...status() }),
    stopping: (ms) => say({ STOPPING: '1', EXTEND_TIMEOUT_USEC: String(Math.ceil(ms) * 1000), ...status() }),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await speaking;
    },
  };
}

/** Said at each start, since the process before may have asked for more. */
function watchdogTime(ms: number | undefined): Record<string, string> {
  return ms === undefined ? {} : { WATCHDOG_USEC: String(ms * 1000) };
}

/** Undefined when no watchdog was asked for, or for another process. */
function watchdogOf(env: NotifierOptions['env'], pid: number): number | undefined {
  const forPid = env.WATCHDOG_PID;
  if (forPid !== undefined && forPid !== '' && Number(forPid) !== pid) return undefined;
  const usec = Number(env.WATCHDOG_USEC);
  return Number.isFinite(usec) && usec > 0 ? usec / 1000 : undefined;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}
