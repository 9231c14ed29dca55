// Whether the CUDA build can compute on this machine's card. It carries code for one generation of cards; on an older one
// it loads, finds the device, and aborts the process with the first computation.
import { execFileSync } from 'node:child_process';

/** Compute capabilities of the code in the packages of 1.1.1 (`.target sm_89` in the Linux one); later cards translate it. */
const BUILT_FOR: Readonly<Record<string, number>> = { 'linux-x64': 8.9, 'linux-arm64': 8.7, 'win32-x64': 12 };
const PROGRAM = 'nvidia-smi';
const ASK_MS_MAX = 5_000;

/** `undefined`: nothing speaks against it. `capability` is undefined when no driver answers. */
export function cudaObstacle(capability: number | undefined, machine: string): string | undefined {
  if (capability === undefined) return 'the NVIDIA driver does not answer (nvidia-smi)';
  const least = BUILT_FOR[machine];
  if (least === undefined || capability >= least) return undefined;
  return `it is built for cards of compute capability ${least} and later, and this one has ${capability}`;
}

/** Of the first card, which is the one that the library takes, or of the only one that it sees. */
export function cardCapability(device = 0): number | undefined {
  try {
    const args = ['--query-gpu=compute_cap', '--format=csv,noheader', `--id=${device}`];
    const said = execFileSync(PROGRAM, args, {
      encoding: 'utf8',
      timeout: ASK_MS_MAX,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return parseCapability(said);
  } catch {
    return undefined;
  }
}

export function parseCapability(said: string): number | undefined {
  const number = /^\s*(\d{1,2}\.\d)\s*$/m.exec(said)?.[1];
  return number === undefined ? undefined : Number(number);
}
