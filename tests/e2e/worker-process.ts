// The real CLI as a child process: `studio-worker run` with a config folder of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Happenings } from './until.ts';

export type LogRecord = { level: string; category: string; msg: string; jobId?: string; [field: string]: unknown };

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly dir: string;
  readonly configPath: string;
  readonly logs: Happenings<LogRecord>;
  /** All of stderr, for looking for secrets. */
  readonly text: () => string;
  readonly exited: Promise<Exit>;
  /** Waits for a log line with this message. */
  until(msg: string, more?: (record: LogRecord) => boolean): Promise<LogRecord>;
  kill(signal: NodeJS.Signals): void;
}

export const BIN = fileURLToPath(new URL('../../bin/studio-worker.js', import.meta.url));
const TEST_ENGINE = fileURLToPath(new URL('../../fixtures/engines/test-engine.ts', import.meta.url));

/** The engine that does what a prompt tells it to (fixtures/engines), in a process of its own. */
export const WITH_TEST_ENGINE = `
[[engines]]
id = "test"
module = ${JSON.stringify(TEST_ENGINE)}
kinds = ["image", "llm", "audio_stt", "audio_tts", "video"]
run_stall_secs = 6
`;

export async function makeConfigDir(studioUrl: string, top = '', tables = ''): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-e2e-'));
  const text = `api_base_url = "${studioUrl}"\nregistration_poll_secs = 1\nonly_engines = ["synthetic", "test", "late"]\nmodels_root = ${JSON.stringify(join(dir, 'models'))}\n${top}\n${tables}`;
  await writeFile(join(dir, 'config.toml'), text, { mode: 0o600 });
  return dir;
}

export type StartOptions = {
  dir: string;
  /** Whether the folder stays when the worker is disposed, for a second start. */
  keepDir?: boolean;
  env?: Record<string, string>;
};

export function startWorker({ dir, keepDir = false, env = {} }: StartOptions): WorkerProcess {
  const configPath = join(dir, 'config.toml');
  const child: ChildProcess = spawn(process.execPath, [BIN, 'run', '--config', configPath], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const logs = new Happenings<LogRecord>();
  const lines: string[] = [];
  const { stderr } = child;
  if (stderr === null || child.pid === undefined) throw new Error('the worker did not start');
  createInterface({ input: stderr }).on('line', (line) => {
    lines.push(line);
    try {
      logs.push(JSON.parse(line) as LogRecord);
    } catch {
      logs.push({ level: 'none', category: 'stderr', msg: line });
    }
  });
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    logs.end(new Error(`the worker has ended with ${code ?? signal}:\n${lines.slice(-15).join('\n')}`));
    return { code, signal };
  });
  const running = (): boolean => child.exitCode === null && child.signalCode === null;

  return {
    pid: child.pid,
    dir,
    configPath,
    logs,
    text: () => lines.join('\n'),
    exited,
    until: (msg, more = () => true) => logs.until(`log line "${msg}"`, (record) => record.msg === msg && more(record)),
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      if (running()) {
        child.kill('SIGTERM');
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
        await exited;
        clearTimeout(timer);
      }
      if (!keepDir) await rm(dir, { recursive: true, force: true });
    },
  };
}
