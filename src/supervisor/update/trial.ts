// A new version proves itself before it gets any work: it is started as a child, with the real configuration and no
// jobs, and has to say that it is healthy. The old version's code watches, so a new one that hangs or has no working
// Node cannot take the worker down with it.
//
//   started ─says "healthy", ends with 0→ healthy
//           ─says that only the studio is missing→ unproven
//           ─ends otherwise, or says nothing in time→ bad
//           ─we are told to stop→ interrupted
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { EXIT } from '../exit-codes.ts';
import { writeDurably } from './durable.ts';
import { type Layout, programOf, versionFolder } from './layout.ts';
import { TRIAL_ENV } from './relaunch.ts';

/** Slow disks take half a minute to load every engine's library; the studio may need a minute to let a worker in. */
const TRIAL_MS_MAX = 180_000;

/** From the request to end to the kill, in ms. */
const GRACE_MS = 5_000;

const Verdict = z.object({
  version: z.string(),
  healthy: z.boolean(),
  why: z.string().max(2000).optional(),
  /** What is missing is not of this machine, so the version may be as good as the old one. */
  excused: z.boolean().default(false),
});
/** What a version on trial writes into the file that `STUDIO_WORKER_TRIAL` names, before it ends. */
export type Verdict = z.input<typeof Verdict>;

export type TrialEnd =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'unproven'; readonly why: string }
  | { readonly kind: 'bad'; readonly why: string }
  | { readonly kind: 'interrupted' };

export type ChildEnd = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: string;
  readonly timedOut: boolean;
  readonly interrupted: boolean;
  readonly verdict: z.output<typeof Verdict> | undefined;
};

/** Pure. */
export function judge(version: string, end: ChildEnd, msMax: number = TRIAL_MS_MAX): TrialEnd {
  const { code, signal, error, timedOut, interrupted, verdict } = end;
  if (error !== undefined) return { kind: 'bad', why: `it cannot be started: ${error}` };
  // A verdict that came before the interruption is still true, but nobody wants to go on with it now.
  if (interrupted) return { kind: 'interrupted' };
  if (timedOut) return { kind: 'bad', why: `it was not healthy within ${Math.round(msMax / 1000)} s` };
  if (verdict !== undefined && verdict.version !== version) {
    return { kind: 'bad', why: `it says that it is version ${verdict.version}` };
  }
  if (verdict?.healthy && code === 0) return { kind: 'healthy' };
  if (verdict !== undefined && !verdict.healthy) {
    return { kind: verdict.excused ? 'unproven' : 'bad', why: verdict.why ?? 'it says that it is not healthy' };
  }
  // Another worker may have taken the configuration's lock meanwhile; a run that finds it held ends with 0.
  if (code === 0) return { kind: 'unproven', why: 'it ended without saying how it is' };
  // The credentials would be refused to any version.
  if (code === EXIT.authFailed) return { kind: 'unproven', why: 'the studio refused the credentials' };
  return { kind: 'bad', why: `it ended with ${code === null ? signal : `exit code ${code}`}` };
}

export type TrialOptions = {
  readonly layout: Layout;
  readonly version: string;
  /** Of `studio-worker`: `run`, with its options. */
  readonly args: readonly string[];
  readonly interrupted: AbortSignal;
  readonly msMax?: number;
};

export async function tryVersion(options: TrialOptions): Promise<TrialEnd> {
  const { layout, version, args, interrupted, msMax = TRIAL_MS_MAX } = options;
  await rm(layout.verdict, { force: true });
  const { node, bin } = programOf(versionFolder(layout, version));
  const child = spawn(node, [bin, ...args], {
    // Over the channel bin/studio-worker.js notices when this process is killed, and ends: a version on trial that
    // nobody watches would keep the worker's lock from the one that is started next.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [TRIAL_ENV]: layout.verdict, STUDIO_WORKER_INNER: '1' },
    windowsHide: true,
  });
  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const end = (): void => {
    // A trial has no jobs to lose, so it does not get the time that a worker gets.
    child.kill('SIGTERM');
    killer ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, msMax);
  interrupted.addEventListener('abort', end, { once: true });
  if (interrupted.aborted) end();
  const ended = await new Promise<Pick<ChildEnd, 'code' | 'signal' | 'error'>>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: error.message }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(timer);
  clearTimeout(killer);
  interrupted.removeEventListener('abort', end);
  const verdict = await readVerdict(layout.verdict);
  await rm(layout.verdict, { force: true });
  return judge(version, { ...ended, timedOut, interrupted: interrupted.aborted, verdict }, msMax);
}

async function readVerdict(file: string): Promise<z.output<typeof Verdict> | undefined> {
  try {
    return Verdict.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** The other side: how a version on trial says how it is. */
export async function writeVerdict(file: string, verdict: Verdict): Promise<void> {
  await writeDurably(file, JSON.stringify(verdict));
}
