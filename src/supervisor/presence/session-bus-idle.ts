// Asks the desktop over the session bus, by the programs that systemd and GLib bring: GNOME's idle monitor first, then the
// freedesktop screen saver, which KDE and others answer for.
import { type ProgramAnswer, runProgram } from '../run-program.ts';
import type { IdleProbe, ProbeEnv } from './idle-probe.ts';

const ASK_MS = 3_000;

type Question = { readonly service: string; readonly path: string; readonly method: string };

const QUESTIONS: readonly Question[] = [
  { service: 'org.gnome.Mutter.IdleMonitor', path: '/org/gnome/Mutter/IdleMonitor/Core', method: 'GetIdletime' },
  { service: 'org.freedesktop.ScreenSaver', path: '/org/freedesktop/ScreenSaver', method: 'GetSessionIdleTime' },
];

export function openSessionBusIdle(env: ProbeEnv): IdleProbe {
  return {
    async idleMs() {
      const problems: string[] = [];
      for (const question of QUESTIONS) {
        const answer = await ask(question, env);
        const idleMs = answer.ok ? idleMsOf(answer.stdout) : undefined;
        if (idleMs !== undefined) return idleMs;
        problems.push(
          answer.ok ? `${question.service} answers ${JSON.stringify(answer.stdout.slice(0, 80))}` : answer.problem,
        );
      }
      throw new Error(`the session bus does not tell: ${[...new Set(problems)].join('; ')}`);
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function ask({ service, path, method }: Question, env: ProbeEnv): Promise<ProgramAnswer> {
  const options = { timeoutMs: ASK_MS, env };
  // Nobody is to be started just to be asked.
  const answer = await runProgram(
    ['busctl', '--user', '--auto-start=no', 'call', service, path, service, method],
    options,
  );
  if (answer.ok || !answer.missing) return answer;
  return runProgram(
    ['gdbus', 'call', '--session', '--dest', service, '--object-path', path, '--method', `${service}.${method}`],
    options,
  );
}

/** `t 1234` of busctl, `(uint64 1234,)` of gdbus. */
export function idleMsOf(text: string): number | undefined {
  const [, digits] = /^\(?(?:[tu]|uint32|uint64) (\d{1,15}),?\)?\s*$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
