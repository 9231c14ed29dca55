// The most RAM that this process has held at one time.
import { readFileSync } from 'node:fs';

/** In bytes. */
export function peakRssBytes(): number {
  // Linux lets a child start with its parent's peak in what `resourceUsage` reads; this line is about the process alone.
  if (process.platform === 'linux') {
    const peak = vmHwmBytes(readFileSync('/proc/self/status', 'utf8'));
    if (peak !== undefined) return peak;
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** From the text of `/proc/<pid>/status`. */
export function vmHwmBytes(status: string): number | undefined {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}
