// Asks a program of the operating system something: bounded in time and output, and never an exception.
import { execFile } from 'node:child_process';

export type ProgramAnswer =
  | { readonly ok: true; readonly stdout: string }
  /** `missing`: there is no such program. */
  | { readonly ok: false; readonly missing: boolean; readonly problem: string };

export type ProgramOptions = {
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
};

const OUTPUT_BYTES_MAX = 256 * 1024;
const PROBLEM_CHARS_MAX = 300;

export function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  { timeoutMs, env = process.env }: ProgramOptions,
): Promise<ProgramAnswer> {
  const options = {
    timeout: timeoutMs,
    // A program that hangs in the kernel or ignores SIGTERM must not hold anything up.
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
    // Answers are read by this program, so they must not be in the language of the environment.
    env: { ...env, LC_ALL: 'C' },
    windowsHide: true,
  } as const;
  return new Promise((resolve) => {
    try {
      execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) return resolve({ ok: true, stdout });
        const missing = error.code === 'ENOENT';
        const said = stderr.trim() || stdout.trim();
        const silent =
          error.killed === true ? `did not end within ${timeoutMs} ms` : `ended with ${error.code ?? error.signal}`;
        const problem = missing ? `there is no program ${program} here` : said || `${program} ${silent}`;
        resolve({ ok: false, missing, problem: problem.slice(0, PROBLEM_CHARS_MAX) });
      });
    } catch (thrown) {
      // No free descriptor, a program that is just being replaced.
      resolve({ ok: false, missing: false, problem: `${program} cannot be started: ${String(thrown)}` });
    }
  });
}
