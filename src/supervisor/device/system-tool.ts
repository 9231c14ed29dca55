// Asks a program of the system, such as nvidia-smi, and gives what it printed. Never fails: such a program may be missing,
// out of order, or hang with its driver.
import { runProgram } from '../run-program.ts';

export type ToolOptions = {
  /** Where programs are looked up. Default: PATH. */
  readonly searchPath?: string | undefined;
  readonly timeoutMs?: number;
};

// A driver that hangs must not keep the worker from starting.
const TOOL_TIMEOUT_MS = 5000;

/** Empty when the tool is not there, fails or takes too long: then there is nothing to read, and the next source is asked. */
export async function outputOf(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const { searchPath, timeoutMs = TOOL_TIMEOUT_MS } = options;
  const env = searchPath === undefined ? process.env : { ...process.env, PATH: searchPath };
  const answer = await runProgram([command, ...args], { timeoutMs, env });
  return answer.ok ? answer.stdout : '';
}
