// Runs one command of the real CLI to its end.
import { execFile } from 'node:child_process';
import { BIN } from './worker-process.ts';

export type Ran = { code: number; stdout: string; stderr: string };

export function runCli(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
