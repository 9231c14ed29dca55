// What happens on this worker, as a numbered stream that a reader can join late and come back to. It keeps the newest
// events and nothing else: no queue grows for a reader that is slow, and no reader runs in the step that publishes.
import { once, setMaxListeners } from 'node:events';
import type { EventHub, EventsAfter, WorkerEvent } from './types.ts';

/** Enough for a dashboard to come back after a minute of busy work without having missed any. */
export const EVENTS_KEPT = 1_024;

/** Progress of a job or of a load is told at most this often, in ms; otherwise it would push everything else out. */
export const PROGRESS_EVERY_MS = 250;

/**
 * `firstId`: by default the time in ms, so that ids of an earlier process are smaller than any of this one, unless that
 * one had published a thousand events a second for as long as it lived.
 */
export function openEventHub(firstId: number = Date.now(), kept: number = EVENTS_KEPT): EventHub {
  /** Event `id` lies at `id % kept`. */
  const ring: WorkerEvent[] = [];
  let newest = firstId - 1;
  const cursors = new Map<(event: WorkerEvent) => void, number>();
  const news = new EventTarget();
  // As many may follow as there are connections; Node takes more than ten for a leak.
  setMaxListeners(0, news);
  let flushing = false;

  function after(id: number): EventsAfter {
    const oldest = Math.max(firstId, newest - kept + 1);
    const known = Number.isSafeInteger(id) && id <= newest;
    const from = known ? Math.max(oldest, id + 1) : oldest;
    const events: WorkerEvent[] = [];
    for (let at = from; at <= newest; at += 1) {
      const event = ring[at % kept];
      if (event !== undefined) events.push(event);
    }
    return { events, missed: !known || id + 1 < oldest };
  }

  function flush(): void {
    flushing = false;
    for (const [listener, seen] of [...cursors]) {
      for (const event of after(seen).events) {
        if (!cursors.has(listener)) break;
        cursors.set(listener, event.id);
        try {
          listener(event);
        } catch {
          // Whoever listens is not worth a job: it is let go, and its own code knows why.
          cursors.delete(listener);
        }
      }
    }
    news.dispatchEvent(new Event('news'));
  }

  return {
    publish(type, data) {
      newest += 1;
      ring[newest % kept] = { id: newest, type, at: new Date().toISOString(), data } as WorkerEvent;
      if (flushing) return;
      flushing = true;
      setImmediate(flush);
    },
    get newestId() {
      return newest;
    },
    after,
    subscribe(listener) {
      // Its own function, so that the same listener twice is two subscriptions.
      const own = (event: WorkerEvent): void => listener(event);
      cursors.set(own, newest);
      return { [Symbol.dispose]: () => void cursors.delete(own) };
    },
    async *follow(id, signal) {
      let seen = id;
      while (!signal.aborted) {
        const batch = after(seen);
        if (batch.events.length > 0 || batch.missed) {
          seen = newest;
          yield batch;
        } else {
          await once(news, 'news', { signal }).catch(() => {});
        }
      }
    },
  };
}
