// One run of a binary: heard on both streams, ended on demand, and watched over by a guard, since the binaries read no
// pipe of ours to its end: after a kill -9 of the worker they would keep the graphics card for ever.
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';
import { guardChild } from '../ffmpeg/child-guard.ts';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ProgramOptions = {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Text as it arrives, cut anywhere. Both streams must be read, or the binary stops when a pipe is full. */
  heard(stream: 'stdout' | 'stderr', text: string): void;
};

export type Program = {
  readonly pid: number;
  /** Resolves once the program has ended and all that it printed was heard. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it: a polite signal first, and SIGKILL when that does not help. Resolves when it has ended. */
  stop(): Promise<Exit>;
};

/** The binaries have no signal handler and die within 15 ms; one that hangs in a driver does not. */
const TERM_MS = 1_000;

/** Throws `ENGINE_UNAVAILABLE` when the file cannot be started at all. */
export async function openProgram({ file, args, cwd, env, heard }: ProgramOptions): Promise<Program> {
  const child = execa(file, args, {
    cwd,
    env,
    extendEnv: false,
    stdin: 'ignore',
    buffer: false,
    reject: false,
    // In a group of its own, where a terminal's Ctrl-C does not reach it: without a handler it would die in mid-job.
    detached: process.platform !== 'win32',
    cleanup: false,
    windowsHide: true,
  });
  guardChild(child.nodeChildProcess);
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => heard(name, text));
  }
  const exited = child.then(({ exitCode, signal }): Exit => ({ code: exitCode ?? null, signal: signal ?? null }));
  const { pid } = child;
  if (pid === undefined) {
    const why = (await child).shortMessage ?? 'no reason given';
    throw new Failure('ENGINE_UNAVAILABLE', `\`${file}\` cannot be started: ${why}`);
  }
  return {
    pid,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), TERM_MS);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
}
