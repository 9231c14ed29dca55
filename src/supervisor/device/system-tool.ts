// Asks a program of the system, such as nvidia-smi, and gives what it printed. Never fails: such a program may be missing,
// out of order, or hang with its driver.

export type ToolOptions = {
  /** Where programs are looked up. Default: PATH. */
  readonly searchPath?: string | undefined;
  readonly timeoutMs?: number;
};

// A driver that hangs must not keep the worker from starting.
const TOOL_TIMEOUT_MS = 5000;
/** What such a program prints for sixteen devices is a thousandth of it. */
const OUTPUT_CHARS_MAX = 1_000_000;

/** Empty when the tool is not there, fails or takes too long: then there is nothing to read, and the next source is asked. */
export async function outputOf(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  // Loaded here because most starts need no tool at all, and it costs 50 ms and 20 MB.
  const { execa } = await import('execa');
  const env = options.searchPath === undefined ? {} : { PATH: options.searchPath };
  const result = await execa(command, args, {
    env,
    timeout: options.timeoutMs ?? TOOL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    reject: false,
    stdin: 'ignore',
    stderr: 'ignore',
    windowsHide: true,
    maxBuffer: OUTPUT_CHARS_MAX,
  });
  return result.failed ? '' : result.stdout;
}
