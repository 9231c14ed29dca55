// What a process holds when it has nothing to do.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { round } from '../stats.ts';

/** Long enough for the start's garbage to be collected and the compiler to be done, in ms. */
const SETTLE_MS = 8_000;

/** Resident memory of an idle process, in MB (10^6 bytes). Linux only; `undefined` elsewhere. */
export async function measureIdleRssMb(pid: number): Promise<number | undefined> {
  await sleep(SETTLE_MS);
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : round((Number(kib) * 1024) / 1e6);
  } catch {
    return undefined;
  }
}
