// The worker's events to clients that are quick, slow or stuck, over real connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { openEventHub } from '../../../src/supervisor/activity/event-hub.ts';
import type { EventHub } from '../../../src/supervisor/activity/types.ts';
import { sendEvents } from '../../../src/supervisor/api/event-feed.ts';
import { STREAM_TIMES } from '../../../src/supervisor/api/event-stream.ts';

type Serving = AsyncDisposable & {
  readonly port: number;
  readonly hub: EventHub;
  readonly stop: AbortController;
  /** Of the one client: its answer, and the end of what is sent to it. */
  readonly client: Promise<{ outgoing: ServerResponse; sent: Promise<void> }>;
};

async function serve(times = STREAM_TIMES, kept?: number): Promise<Serving> {
  const hub = openEventHub(1, kept);
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<{ outgoing: ServerResponse; sent: Promise<void> }>();
  const server = createServer((_incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.once('close', () => gone.abort());
    const batches = hub.follow(0, AbortSignal.any([stop.signal, gone.signal]));
    resolve({ outgoing, sent: sendEvents(outgoing, batches, times) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...{ port: (server.address() as AddressInfo).port, hub, stop, client: promise },
    async [Symbol.asyncDispose]() {
      stop.abort();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const say = (hub: EventHub, message: string) =>
  hub.publish('log', { seq: 1, ts: '', level: 'info', category: 'test', message } as never);

test('events have their id, type and time; the stream ends when it is told to', async () => {
  await using serving = await serve();
  const asking = get({ port: serving.port, agent: false });
  const { sent } = await serving.client;
  for (const message of ['one', 'two']) say(serving.hub, message);
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    body += chunk;
    if (body.includes('two')) serving.stop.abort();
  }
  await sent;
  assert.match(body, /^retry: 2000\n\nid: 1\nevent: log\ndata: \{"at":"[^"]+",.*"message":"one"\}\n\nid: 2\n/);
});

test('a quiet stream says now and then that it is alive', async () => {
  await using serving = await serve({ ...STREAM_TIMES, beatMs: 10 });
  const [answer] = (await once(get({ port: serving.port, agent: false }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    body += chunk;
    if (body.includes(': \n\n: \n\n')) break;
  }
});

test('a client that takes nothing is cut off, and nothing has grown meanwhile', async () => {
  await using serving = await serve({ ...STREAM_TIMES, stallMs: 200 }, 64);
  const socket = connect(serving.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  socket.on('error', () => {});
  socket.pause();
  const { outgoing, sent } = await serving.client;
  let most = 0;
  // Far more than the buffers of the connection take.
  const large = 'x'.repeat(100_000);
  while (!outgoing.destroyed) {
    say(serving.hub, large);
    await new Promise(setImmediate);
    most = Math.max(most, outgoing.writableLength);
  }
  await sent;
  assert.ok(most < 5 * large.length, `${most} bytes waited`);
});

test('a client that was slow hears that it has missed events, and then the newest', async () => {
  await using serving = await serve(STREAM_TIMES, 64);
  const socket = connect(serving.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  const { outgoing } = await serving.client;
  socket.pause();
  const large = 'x'.repeat(100_000);
  while (!outgoing.writableNeedDrain) {
    say(serving.hub, large);
    await new Promise(setImmediate);
  }
  for (let i = 0; i < 200; i += 1) say(serving.hub, `late ${i}`);
  let heard = '';
  for await (const chunk of socket.setEncoding('utf8')) {
    heard = (heard + chunk).slice(-300_000);
    if (heard.includes('late 199')) break;
  }
  assert.match(heard, /event: missed\ndata: \{\}\n\n/);
});
