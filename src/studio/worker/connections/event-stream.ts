// The studio's events, as server-sent events to whoever listens. Nothing is stored: who comes later reads the tables.
import type { StudioEvent } from '../api/event.ts';

export interface EventStream {
  publish(event: StudioEvent): void;
  /** An answer that stays open. It receives every event from this moment on. */
  subscribe(): Response;
  readonly listeners: number;
}

/** A listener that lags behind by more than this is cut off, so that it cannot fill the studio's memory. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

export function openEventStream(pingMs: number): EventStream {
  const encoder = new TextEncoder();
  const controllers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let ping: ReturnType<typeof setInterval> | undefined;

  function send(text: string): void {
    const bytes = encoder.encode(text);
    for (const controller of controllers) {
      if ((controller.desiredSize ?? 0) < 0) {
        drop(controller);
        controller.error(new Error('the listener is too slow'));
      } else controller.enqueue(bytes);
    }
  }

  function drop(controller: ReadableStreamDefaultController<Uint8Array>): void {
    controllers.delete(controller);
    if (controllers.size > 0) return;
    if (ping !== undefined) clearInterval(ping);
    ping = undefined;
  }

  return {
    get listeners() {
      return controllers.size;
    },

    publish(event) {
      if (controllers.size > 0) send(`event: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`);
    },

    subscribe() {
      let own: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>(
        {
          start(controller) {
            own = controller;
            controllers.add(controller);
            // The first bytes send the headers on their way, which tells the client that it is subscribed.
            controller.enqueue(encoder.encode(': subscribed\n\n'));
            ping ??= setInterval(() => send(': ping\n\n'), pingMs);
          },
          cancel() {
            if (own) drop(own);
          },
        },
        new ByteLengthQueuingStrategy({ highWaterMark: BACKLOG_BYTES_MAX }),
      );
      return new Response(body, {
        headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
      });
    },
  };
}
