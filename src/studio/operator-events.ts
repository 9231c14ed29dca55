// The studio's events as an async iterable that holds on to what arrives before it is asked for.
import type { Readable } from 'node:stream';
import { readServerSentEvents } from './server-sent-events.ts';
import type { StudioEvent } from './worker/api/event.ts';

/** Ends when the studio closes the stream, or when this end is disposed. For one reader. */
export interface StudioEvents extends AsyncIterable<StudioEvent>, AsyncDisposable {
  /** The first event from now on that `wanted` takes. Events before it are dropped. */
  until(wanted: (event: StudioEvent) => boolean): Promise<StudioEvent>;
}

export function openEvents(body: Readable, closing: AbortController): StudioEvents {
  // Aborting makes the body fail, and a failure that nobody reads would end the process.
  body.on('error', () => {});
  const source = readEvents(body, closing.signal);

  return {
    // A `for await` that is left early must not close the stream: `until` and the next loop go on where it stopped.
    [Symbol.asyncIterator]: () => ({ next: () => source.next() }),
    async until(wanted) {
      for (;;) {
        const { value, done } = await source.next();
        if (done) throw new Error('the studio closed the event stream');
        if (wanted(value)) return value;
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      body.destroy();
    },
  };
}

async function* readEvents(body: Readable, signal: AbortSignal): AsyncGenerator<StudioEvent, void> {
  try {
    for await (const { type, data } of readServerSentEvents(body)) {
      yield { type, data: JSON.parse(data) } as StudioEvent;
    }
  } catch (error) {
    // Our own closing is the end of the stream, not a failure of it.
    if (!signal.aborted) throw error;
  }
}
