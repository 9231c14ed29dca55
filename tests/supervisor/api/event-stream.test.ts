// Streams of events to clients that are quick, slow, stuck or gone: over real connections.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { type EventStream, openEventStream, STREAM_TIMES } from '../../../src/supervisor/api/event-stream.ts';

type Serving = AsyncDisposable & {
  readonly port: number;
  readonly stream: Promise<EventStream & { outgoing: ServerResponse }>;
};

/** One server for one stream, whose every text is an event of its own. */
async function serve(times = STREAM_TIMES): Promise<Serving> {
  const { promise, resolve } = Promise.withResolvers<EventStream & { outgoing: ServerResponse }>();
  const server = createServer((_incoming, outgoing) => {
    resolve({ ...openEventStream(outgoing, (text) => JSON.stringify({ text }), times), outgoing });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    stream: promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const textsIn = (body: string): string[] =>
  [...body.matchAll(/^data: (\{.*\})$/gm)].map(([, json = '']) => JSON.parse(json).text);

test('what is sent arrives in order, each as an event', async () => {
  await using serving = await serve();
  const asking = get({ port: serving.port, agent: false });
  const stream = await serving.stream;
  stream.text('one');
  stream.text('two');
  stream.event('[DONE]');
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const ended = stream.end();
  let body = '';
  for await (const chunk of answer) body += chunk;
  await ended;
  assert.equal(body, 'data: {"text":"one"}\n\ndata: {"text":"two"}\n\ndata: [DONE]\n\n');
  assert.deepEqual(
    [answer.headers['content-type'], answer.headers['cache-control']],
    ['text/event-stream', 'no-cache'],
  );
});

test('a slow reader loses nothing, and little is kept for it', async () => {
  await using serving = await serve();
  const socket = connect(serving.port, '127.0.0.1');
  socket.write('GET / HTTP/1.0\r\n\r\n');
  // Nothing is read until all has been said.
  const stream = await serving.stream;
  const piece = 'x'.repeat(1000);
  const pieces = 20_000;
  for (let index = 0; index < pieces; index += 1) stream.text(`${index}:${piece};`);
  assert.ok(stream.outgoing.writableLength < 1_000_000, 'what is not read waits in the queue, not in the socket');
  const ended = stream.end();
  let body = '';
  for await (const chunk of socket) body += chunk;
  await ended;
  const texts = textsIn(body);
  assert.ok(texts.length < pieces, 'pieces were joined');
  const expected = Array.from({ length: pieces }, (_, index) => `${index}:${piece};`).join('');
  assert.ok(texts.join('') === expected, 'every piece arrived, in order');
});

test('a reader that takes nothing for too long is cut off', async () => {
  await using serving = await serve({ ...STREAM_TIMES, stallMs: 50 });
  const socket: Socket = connect(serving.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.0\r\n\r\n');
  const stream = await serving.stream;
  const closed = once(stream.outgoing, 'close');
  // More than both ends of a connection take without a reader.
  for (let index = 0; index < 64; index += 1) stream.text('y'.repeat(1_000_000));
  await closed;
  await stream.end();
  stream.text('into the void');
  socket.destroy();
});

test('a silent stream is heard to live', async () => {
  await using serving = await serve({ ...STREAM_TIMES, beatMs: 20 });
  const asking = get({ port: serving.port, agent: false });
  const stream = await serving.stream;
  stream.begin();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const [beat] = await once(answer, 'data');
  assert.equal(String(beat), ': \n\n');
  answer.resume();
  await stream.end();
});
