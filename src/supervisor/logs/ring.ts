// The last entries of the log, in memory: what the dashboard and the local API show.
import type { LogEntry } from '../../protocol/index.ts';

export type RingEntry = LogEntry & { readonly seq: number };

export interface LogRing {
  readonly size: number;
  /** The sequence number of the newest entry; 0 before the first. Numbers only grow while the process lives. */
  readonly newestSeq: number;
  push(entry: LogEntry): void;
  /**
   * Entries newer than `seq`, oldest first. A number that was never given out (the reader saw an earlier process) gives
   * the whole ring.
   */
  after(seq: number): RingEntry[];
}

/** Upstream's size. */
export const RING_ENTRIES_MAX = 1000;

export function openRing(entriesMax: number = RING_ENTRIES_MAX): LogRing {
  // A circle: entry number `seq` lies at `seq % entriesMax`.
  const slots: RingEntry[] = [];
  let newest = 0;
  return {
    get size() {
      return slots.length;
    },
    get newestSeq() {
      return newest;
    },
    push(entry) {
      newest += 1;
      slots[(newest - 1) % entriesMax] = { ...entry, seq: newest };
    },
    after(seq) {
      const oldest = newest - slots.length + 1;
      const from = seq > newest ? oldest : Math.max(oldest, Math.floor(seq) + 1);
      const result: RingEntry[] = [];
      for (let at = from; at <= newest; at += 1) {
        const entry = slots[(at - 1) % entriesMax];
        if (entry !== undefined) result.push(entry);
      }
      return result;
    },
  };
}
