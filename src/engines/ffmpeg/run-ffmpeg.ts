// One run of ffmpeg: started without a shell, bounded in silence, cancelled for certain, and never left behind. It knows
// nothing of what is converted; transcode.ts and make-video.ts write the arguments.
//
//   running ─exit 0→ done      running ─signal aborts, or no advance for `stallMs`→ SIGTERM ─2 s→ SIGKILL → failed
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { Failure, type FailureCode } from '../../protocol/failure.ts';
import type { EngineSettings } from '../engine.ts';
import { childEnv } from './child-env.ts';
import { guardChild } from './child-guard.ts';
import { findFfmpeg } from './find-ffmpeg.ts';

/** Below the 60 s after which the pool gives a run up, so that the failure names ffmpeg. */
const STALL_MS = 45_000;
/** It closes its file on SIGTERM, which takes milliseconds; an encoder deep in a frame takes longer. */
const KILL_DELAY_MS = 2_000;
/** Its messages: a broken file can give one line a frame, and the last ones say why it ended. */
const LINES_KEPT = 40;
const LINES_TOLD = 3;

/** What every call needs from the run that it belongs to. */
export type FfmpegContext = {
  readonly signal: AbortSignal;
  readonly settings: Pick<EngineSettings, 'modelsRoot' | 'cpuThreads'>;
  /** 0 to 1, when the length is known. */
  progress?(ratio: number): void;
};

export type FfmpegRun = {
  /** What is being done, for people: `decoding the audio`. */
  readonly what: string;
  /** After the arguments that every run has; ends with the output. */
  readonly args: readonly string[];
  /** Whose fault a failed run is: that of a file which came with the job, or ours. */
  readonly blame: Extract<FailureCode, 'INPUT_INVALID' | 'ENGINE_FAILED'>;
  /** Each line of its standard output. */
  readonly line: (text: string) => void;
  /** Each line of its standard error. */
  readonly heard?: (text: string) => void;
  /** Longest time in which nothing advances, in ms. Default 45 000. */
  readonly stallMs?: number;
};

/** Arguments before an input that is a file: no network, no device, no list of other files, no keyboard. */
export function fileInput(path: string, formats: readonly string[]): string[] {
  return ['-protocol_whitelist', 'file,pipe', '-format_whitelist', formats.join(','), '-i', `file:${path}`];
}

/** Resolves with the last lines that it wrote about its work. */
export async function runFfmpeg(run: FfmpegRun, context: FfmpegContext): Promise<readonly string[]> {
  const { signal } = context;
  signal.throwIfAborted();
  const ffmpeg = await findFfmpeg(context.settings.modelsRoot);
  const stalled = new AbortController();
  const stallMs = run.stallMs ?? STALL_MS;
  const said: string[] = [];
  const child = execa(ffmpeg, [...commonArgs(context.settings.cpuThreads), ...run.args], {
    stdin: 'ignore',
    reject: false,
    buffer: false,
    env: childEnv(process.env),
    extendEnv: false,
    cancelSignal: AbortSignal.any([signal, stalled.signal]),
    forceKillAfterDelay: KILL_DELAY_MS,
    // A terminal's Ctrl-C goes to the whole group; a job goes on while the worker drains. The guard cleans up after us.
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  guardChild(child.nodeChildProcess);
  let timer = setTimeout(() => stalled.abort(), stallMs);
  const advance = advances(() => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), stallMs);
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    advance(text);
    run.line(text);
  });
  createInterface({ input: child.stderr }).on('line', (text) => {
    run.heard?.(text);
    said.push(text);
    if (said.length > LINES_KEPT) said.shift();
  });
  const result = await child;
  clearTimeout(timer);
  signal.throwIfAborted();
  if (stalled.signal.aborted) throw new Failure('ENGINE_HUNG', `${run.what}: ffmpeg did not advance for ${stallMs} ms`);
  if (!result.failed) return said;
  throw failureOf(run, result, said);
}

function commonArgs(threads: number): string[] {
  const shared = ['-threads', String(threads), '-filter_threads', String(threads)];
  return ['-hide_banner', '-nostdin', '-nostats', '-y', '-loglevel', 'repeat+level+info', ...shared];
}

/** Progress is written twice a second also when nothing moves, so only a changed number counts. */
function advances(feed: () => void): (line: string) => void {
  const seen = new Map<string, string>();
  return (line) => {
    const [, name, value] = /^(frame|out_time_us|total_size)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      // A line of another kind is a frame that has been read.
      if (!line.includes('=')) feed();
      return;
    }
    if (seen.get(name) === value) return;
    seen.set(name, value);
    feed();
  };
}

type Ended = {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly message?: string;
};

function failureOf(run: FfmpegRun, ended: Ended, said: readonly string[]): Failure {
  const why = tellingLines(said);
  const because = why === '' ? '' : `: ${why}`;
  if (ended.signal !== undefined) {
    return new Failure('ENGINE_CRASHED', `${run.what}: ffmpeg was ended by ${ended.signal}${because}`);
  }
  if (ended.exitCode === undefined) {
    return new Failure('ENGINE_UNAVAILABLE', `${run.what}: ffmpeg could not be started: ${ended.message}`);
  }
  if (/No space left on device/.test(why)) return new Failure('DISK_FULL', `${run.what}: no room for the file`);
  const ours = /Cannot allocate memory/.test(why);
  return new Failure(ours ? 'ENGINE_FAILED' : run.blame, `${run.what}: ffmpeg ended with ${ended.exitCode}${because}`);
}

/** The last errors, without addresses in memory and names of temporary files. */
function tellingLines(said: readonly string[]): string {
  const errors = said.filter((line) => /\[(error|fatal|panic)\]/.test(line));
  return errors
    .slice(-LINES_TOLD)
    .map((line) =>
      line
        .replace(/^(\[[^\]]* @ 0x[0-9a-f]+\] )?\[\w+\] /, '')
        .replace(/\bfile:.*?: /, '')
        .trim(),
    )
    .join('; ')
    .replace(/Format not on whitelist '([^']*)'.*/, 'a format that is not read (those that are: $1)')
    .slice(0, 600);
}
