// Entries that wait to be sent to the studio. Bounded: a studio that is away for a day costs the oldest entries, not the
// machine's memory.
import type { LogEntry } from '../../protocol/index.ts';

export interface ShipQueue {
  readonly size: number;
  push(entry: LogEntry): void;
  /** Removes and returns the oldest entries. */
  take(max: number): LogEntry[];
  /** Returns a batch that was not sent to the front, in its order. Clips from the oldest, and says nothing about it. */
  putBack(entries: readonly LogEntry[]): void;
}

/** Upstream's size. */
export const SHIP_ENTRIES_MAX = 5000;

export function openShipQueue(entriesMax: number = SHIP_ENTRIES_MAX, now: () => Date = () => new Date()): ShipQueue {
  let entries: LogEntry[] = [];
  // What was lost since the last `take`. It becomes one entry, at the place of the gap, and counts as one until then.
  let lost: { dropped: number; at: Date } | undefined;

  const size = (): number => entries.length + (lost === undefined ? 0 : 1);

  return {
    get size() {
      return size();
    },
    push(entry) {
      entries.push(entry);
      if (size() <= entriesMax) return;
      const surplus = entries.length - (entriesMax - 1);
      entries.splice(0, surplus);
      lost = { dropped: (lost?.dropped ?? 0) + surplus, at: now() };
    },
    take(max) {
      if (lost !== undefined) {
        entries.unshift(overflowEntry(entriesMax, lost.dropped, lost.at));
        lost = undefined;
      }
      return entries.splice(0, max);
    },
    putBack(batch) {
      const room = entriesMax - (lost === undefined ? 0 : 1);
      entries = [...batch, ...entries].slice(-room);
    },
  };
}

function overflowEntry(entriesMax: number, dropped: number, at: Date): LogEntry {
  return {
    ts: at.toISOString(),
    level: 'warn',
    category: 'logs',
    message: `ship queue full (${entriesMax} entries); dropped ${dropped} oldest`,
  };
}
