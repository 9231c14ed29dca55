// What processes hold of the memory of NVIDIA GPUs, as the driver sees it: for engines whose libraries do not tell.
import { outputOf, type ToolOptions } from './system-tool.ts';

/** Jobs of one moment ask once. In ms. */
const FRESH_MS = 5_000;
const MIB = 1024 ** 2;

export type GpuProcesses = {
  /** In bytes, over all GPUs; undefined when the driver does not know the process, or does not tell. */
  bytesOf(pid: number): Promise<number | undefined>;
};

export function openGpuProcesses(options: ToolOptions = {}): GpuProcesses {
  let asked: Promise<ReadonlyMap<number, number>> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;

  function ask(): Promise<ReadonlyMap<number, number>> {
    askedMs = performance.now();
    const args = ['--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits'];
    asked = outputOf('nvidia-smi', args, options).then(parseComputeApps);
    return asked;
  }

  return {
    async bytesOf(pid) {
      const known = asked && performance.now() - askedMs < FRESH_MS ? (await asked).get(pid) : undefined;
      return known ?? (await ask()).get(pid);
    },
  };
}

/** Lines of `pid, MiB`: one for each GPU that the process uses. Some drivers say `[N/A]` instead of a number. */
export function parseComputeApps(text: string): ReadonlyMap<number, number> {
  const bytes = new Map<number, number>();
  for (const [, pid, mib] of text.matchAll(/^\s*(\d{1,10})\s*,\s*(\d{1,9})(?: MiB)?\s*$/gm)) {
    bytes.set(Number(pid), (bytes.get(Number(pid)) ?? 0) + Number(mib) * MIB);
  }
  return bytes;
}
