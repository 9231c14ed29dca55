// Whether a user's services of systemd go on when the user is not logged in.
import os from 'node:os';
import { runProgram } from '../run-program.ts';

const ASK_MS = 15_000;

export async function lingers(user: string = os.userInfo().username): Promise<boolean> {
  const answer = await runProgram(['loginctl', 'show-user', user, '--property=Linger'], { timeoutMs: ASK_MS });
  return answer.ok && answer.stdout.trim() === 'Linger=yes';
}

/** Undefined when it is so now. For the own user this asks nobody on most systems; some want an administrator. */
export async function linger(): Promise<string | undefined> {
  const answer = await runProgram(['loginctl', '--no-ask-password', 'enable-linger'], { timeoutMs: ASK_MS });
  return answer.ok ? undefined : answer.problem;
}
