// Waits until a process that is nobody's child has ended: the process table has no events.
import { setTimeout as sleep } from 'node:timers/promises';

export async function gone(pid: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (isAlive(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} still lives`);
    await sleep(20);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
