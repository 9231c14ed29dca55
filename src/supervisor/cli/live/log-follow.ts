// The log of the running worker, from its last entries on, each entry once and in order.
import type { RingEntry } from '../../logs/ring.ts';
import type { WorkerClient } from '../worker-client.ts';
import { workerEvents } from './worker-events.ts';

type Kept = { readonly entries: readonly RingEntry[]; readonly seq: number };

export async function lastEntries(worker: WorkerClient, count: number): Promise<readonly RingEntry[]> {
  const { entries } = await worker.json<Kept>('/daemon/logs');
  return count === 0 ? [] : entries.slice(-count);
}

/** Ends when the worker does, or with `signal`. */
export async function* followLog(
  worker: WorkerClient,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<RingEntry, void> {
  let seen = 0;
  for await (const event of workerEvents(worker, signal)) {
    if (event === undefined) {
      // After the stream has begun, so that nothing falls between the two.
      const { entries, seq } = await worker.json<Kept>('/daemon/logs', { signal });
      if (count > 0) yield* entries.slice(-count);
      seen = seq;
      continue;
    }
    if (event.type !== undefined && event.type !== 'log') continue;
    const entry = event.data as unknown as RingEntry;
    if (event.type === 'log' && entry.seq === seen + 1) {
      yield entry;
      seen = entry.seq;
      continue;
    }
    if (event.type === 'log' && entry.seq <= seen) continue;
    // Some are missing: the log itself has them.
    const { entries, seq } = await worker.json<Kept>(`/daemon/logs?after=${seen}`, { signal });
    yield* entries;
    seen = seq;
  }
}
