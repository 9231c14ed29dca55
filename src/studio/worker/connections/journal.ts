// Writes to D1 in the order in which they were decided, and together: whatever is decided while one batch is on its way
// goes into the next one, so that a busy studio pays one round trip for many jobs.
//
// The Durable Object decides in memory and at once; it tells anyone (a frame, an event, an HTTP answer) only after the
// write that makes the decision true has been committed.

export interface Journal {
  /** Resolves with one result a statement once all of them are committed. They are committed together or not at all. */
  write(statements: D1PreparedStatement[]): Promise<D1Result[]>;
}

type Entry = {
  statements: D1PreparedStatement[];
  resolve: (results: D1Result[]) => void;
  reject: (error: unknown) => void;
};

/** A batch is one transaction in D1, which should stay short. */
const STATEMENTS_PER_BATCH = 200;

export function openJournal(db: D1Database, onLost: (error: unknown) => void): Journal {
  const waiting: Entry[] = [];
  let flushing = false;

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const entries = takeBatch();
      try {
        await commit(entries);
      } catch {
        // One bad entry must not take its neighbours down: each is tried again by itself, still in order.
        for (const entry of entries) await commit([entry]).catch((error) => lose(entry, error));
      }
    }
    flushing = false;
  }

  function takeBatch(): Entry[] {
    let statements = 0;
    let count = 0;
    for (const entry of waiting) {
      statements += entry.statements.length;
      if (count > 0 && statements > STATEMENTS_PER_BATCH) break;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function commit(entries: Entry[]): Promise<void> {
    const results = await db.batch(entries.flatMap((entry) => entry.statements));
    let start = 0;
    for (const entry of entries) {
      entry.resolve(results.slice(start, start + entry.statements.length));
      start += entry.statements.length;
    }
  }

  function lose(entry: Entry, error: unknown): void {
    entry.reject(error);
    // Memory now says what the database does not: the owner must read it again.
    onLost(error);
  }

  return {
    write(statements) {
      if (statements.length === 0) return Promise.resolve([]);
      return new Promise((resolve, reject) => {
        waiting.push({ statements, resolve, reject });
        if (flushing) return;
        flushing = true;
        // In a microtask, so that what one event decides (a result and the next offer) travels in one batch.
        queueMicrotask(() => void flush());
      });
    },
  };
}
