// A client of a stream, as programs write them: sends sound, hears texts. Everything that it was told, in order.
import { once } from 'node:events';
import { WebSocket } from 'ws';

export type Told = { partial?: true; final?: true; text?: string; error?: string };
export type Speaker = {
  readonly socket: WebSocket;
  readonly told: Told[];
  send(data: Uint8Array | string): void;
  /** Resolves with the first message, also an earlier one, for which `wanted` holds. */
  until(wanted: (told: Told) => boolean): Promise<Told>;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
};

/** Rejects with the status when the handshake is refused. */
export async function openSpeaker(url: string, options: { autoPong?: boolean } = {}): Promise<Speaker> {
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  const told: Told[] = [];
  const waiting = new Set<() => void>();
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.on('message', (data) => {
    told.push(JSON.parse(String(data)) as Told);
    for (const look of [...waiting]) look();
  });
  const refused = once(socket, 'unexpected-response').then(([, response]) => {
    socket.on('error', () => {});
    socket.terminate();
    throw new Error(String((response as { statusCode: number }).statusCode));
  });
  await Promise.race([once(socket, 'open'), refused]);
  refused.catch(() => {});
  socket.on('error', () => {});
  return {
    ...{ socket, told, closed },
    send: (data) => socket.send(data),
    async until(wanted) {
      const { promise, resolve, reject } = Promise.withResolvers<Told>();
      const look = (): void => {
        const found = told.find(wanted);
        if (found) resolve(found);
      };
      waiting.add(look);
      look();
      void closed.then((code) => reject(new Error(`closed with ${code}: ${JSON.stringify(told)}`)));
      return promise.finally(() => waiting.delete(look));
    },
  };
}

export const isFinal = (told: Told): boolean => told.final === true;
export const isError = (told: Told): boolean => told.error !== undefined;
