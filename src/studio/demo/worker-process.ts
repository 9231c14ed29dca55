// The demo's worker: a real `studio-worker run` with a config folder of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchOver } from '../host/death-watch.ts';

/** This file is two folders below `src` or `dist`, which lies beside `bin`. */
const BIN = path.resolve(import.meta.dirname, '../../../bin/studio-worker.js');

/** Enough to see why a worker failed. */
const TAIL_LINES = 40;
/** The worker has nothing left to do when it is stopped; if it takes longer than this it hangs. */
const STOP_MS_MAX = 5_000;

export interface WorkerProcess extends AsyncDisposable {
  /** Rejects when the worker ends before it was told to. */
  readonly ended: Promise<never>;
  /** The newest lines that it printed. */
  tail(): string;
}

export async function openWorkerProcess(dir: string, studioUrl: string): Promise<WorkerProcess> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = path.join(dir, 'config.toml');
  await writeFile(config, configOf(studioUrl), { mode: 0o600 });
  const child = spawn(process.execPath, [BIN, 'run', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const watch = watchOver(child.pid === undefined ? [] : [child.pid], 'TERM');
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => line !== ''));
      lines.splice(0, lines.length - TAIL_LINES);
    });
  }
  let stopping = false;
  const ended = new Promise<never>((_, reject) => {
    child.on('error', (cause) => reject(new Error('the worker could not be started', { cause })));
    child.on('exit', (code, signal) => {
      if (!stopping) reject(new Error(`the worker ended by itself with ${signal ?? `exit code ${code}`}`));
    });
  });
  // Whoever waits for something else races against it; nobody must, and a late end is no crash of the demo.
  ended.catch(() => {});
  return {
    ended,
    tail: () => lines.join('\n'),
    async [Symbol.asyncDispose]() {
      stopping = true;
      await stop(child);
      watch[Symbol.dispose]();
    },
  };
}

function configOf(studioUrl: string): string {
  return [
    `api_base_url = ${JSON.stringify(`${studioUrl}/`)}`,
    'label = "demo"',
    'registration_poll_secs = 1',
    // The demo stays what it is while it runs, and asks nobody else for anything.
    'auto_update_enabled = false',
    // Nothing else is asked of it, so nothing else has to be looked for on this machine.
    'only_engines = ["synthetic"]',
    '',
    '[logging]',
    'level = "info"',
    '',
  ].join('\n');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const grace = new AbortController();
  await Promise.race([exited, sleep(STOP_MS_MAX, undefined, { signal: grace.signal }).catch(() => {})]);
  grace.abort();
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await exited;
  }
}
