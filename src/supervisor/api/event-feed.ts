// The worker's events as server-sent events to one client. Nothing is queued for a client that is slow: it is waited for,
// finds the newest events when it comes back (`missed` when there were more), and is cut off when it takes nothing at all.
import type { ServerResponse } from 'node:http';
import type { EventsAfter, WorkerEvent } from '../activity/types.ts';
import { STREAM_TIMES, type StreamTimes } from './event-stream.ts';

/** How long a browser waits before it connects again, in ms. */
const RETRY_MS = 2_000;

/** Resolves when the client has gone, or `batches` has ended and all is out. Rejects with what `batches` throws. */
export async function sendEvents(
  outgoing: ServerResponse,
  batches: AsyncIterable<EventsAfter>,
  { stallMs, beatMs }: StreamTimes = STREAM_TIMES,
): Promise<void> {
  outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const beat = setInterval(() => {
    // Tells the client, and what lies between, that the connection is alive.
    if (!outgoing.writableNeedDrain) outgoing.write(': \n\n');
  }, beatMs);
  try {
    await send(`retry: ${RETRY_MS}\n\n`);
    for await (const { events, missed } of batches) {
      if (missed) await send('event: missed\ndata: {}\n\n');
      for (const event of events) {
        if (outgoing.destroyed) return;
        await send(frameOf(event));
        beat.refresh();
      }
    }
    outgoing.end();
  } finally {
    clearInterval(beat);
  }

  async function send(text: string): Promise<void> {
    if (outgoing.destroyed || outgoing.write(text)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const stall = setTimeout(() => outgoing.destroy(), stallMs);
    outgoing.once('drain', resolve);
    outgoing.once('close', resolve);
    await promise;
    clearTimeout(stall);
    outgoing.off('drain', resolve);
    outgoing.off('close', resolve);
  }
}

function frameOf({ id, type, at, data }: WorkerEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ at, ...data })}\n\n`;
}
