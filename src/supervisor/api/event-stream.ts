// Server-sent events to one client. What the client is too slow for waits in a bounded queue; pieces of text that no
// longer fit are joined to the last one, so that nothing is lost and nothing grows but by the text itself.
import type { ServerResponse } from 'node:http';

export type StreamTimes = {
  /** A client that takes nothing for so long is cut off, in ms. */
  readonly stallMs: number;
  /** Pause after which a comment tells the client, and what lies between, that the connection is alive, in ms. */
  readonly beatMs: number;
};

export const STREAM_TIMES: StreamTimes = { stallMs: 60_000, beatMs: 15_000 };

/** The contract's. */
const WAITING_MAX = 256;

export interface EventStream extends Disposable {
  /** Sends the headers, if they have not been. Whatever is sent does so too. */
  begin(): void;
  /** A piece of text, as the event that `render` makes of it. */
  text(piece: string): void;
  /** One event; `data` has no line ends. */
  event(data: string): void;
  /** Resolves once all is out, or the client has gone. */
  end(): Promise<void>;
}

type Item = { text: string } | { readonly data: string };

export function openEventStream(
  outgoing: ServerResponse,
  render: (text: string) => string,
  times: StreamTimes = STREAM_TIMES,
): EventStream {
  const waiting: Item[] = [];
  let blocked = false;
  let stall: NodeJS.Timeout | undefined;
  const beat = setInterval(() => {
    if (outgoing.headersSent && !blocked && !outgoing.writableEnded) write(': \n\n');
  }, times.beatMs);
  const stop = (): void => {
    clearInterval(beat);
    clearTimeout(stall);
    waiting.length = 0;
  };
  outgoing.on('drain', drained);
  outgoing.once('close', stop);

  function begin(): void {
    if (outgoing.headersSent || outgoing.destroyed) return;
    outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    outgoing.flushHeaders();
  }
  function write(chunk: string): void {
    begin();
    if (outgoing.destroyed || outgoing.write(chunk)) return;
    blocked = true;
    stall = setTimeout(() => outgoing.destroy(), times.stallMs);
  }
  function drained(): void {
    blocked = false;
    clearTimeout(stall);
    beat.refresh();
    while (!blocked) {
      const item = waiting.shift();
      if (item === undefined) return;
      send(item);
    }
  }
  function send(item: Item): void {
    write(`data: ${'text' in item ? render(item.text) : item.data}\n\n`);
  }
  function push(item: Item): void {
    if (outgoing.destroyed) return;
    if (!blocked) return send(item);
    const last = waiting.at(-1);
    if ('text' in item && last && 'text' in last && waiting.length >= WAITING_MAX) last.text += item.text;
    else waiting.push(item);
  }

  return {
    begin,
    text: (text) => push({ text }),
    event: (data) => push({ data }),
    async end() {
      begin();
      const closed = new Promise<void>((done) => outgoing.once('close', done));
      const finished = new Promise<void>((done) => outgoing.once('finish', done));
      while (blocked && !outgoing.destroyed) {
        await Promise.race([closed, new Promise<void>((done) => outgoing.once('drain', done))]);
      }
      stop();
      if (outgoing.destroyed) return;
      outgoing.end();
      await Promise.race([closed, finished]);
    },
    [Symbol.dispose]() {
      stop();
      outgoing.off('drain', drained);
    },
  };
}
