// Clients that do what they should not, and a worker that leaves: nothing grows, nothing hangs, and the model is free again.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { sherpaStream } from '../../../src/engines/sherpa-stream/descriptor.ts';
import type { StreamBounds } from '../../../src/supervisor/stream/bounds.ts';
import { ctcFiles, hush, pcm, said, speech } from '../../engines/sherpa-stream/rig.ts';
import { openModels } from '../../engines/speech-rig.ts';
import { openRig } from '../../workers/rig.ts';
import { isError, isFinal, openSpeaker, type Speaker } from './speaker.ts';
import { openStreamRig } from './stream-rig.ts';

const files = openModels('audio_stt');
const { modelsRoot } = files;
const words = await files.add('sherpa-stream', 'words', ctcFiles());
/** About as fast as speech on a slow machine, so sound that comes at once has to wait. */
const slow = await files.add('sherpa-stream', 'slow', ctcFiles({ products: 4 }));
const models = { words: words(''), slow: slow('') };
const rig = await openRig({ extraEngines: [sherpaStream], engine: { modelsRoot, gpu: 'cpu' } });
const { host } = rig;
after(() => rig[Symbol.asyncDispose]());
/** Each stage has a catalogue of its own; what the host has loaded stays. */
async function open(bounds: Partial<StreamBounds>, model: keyof typeof models = 'words') {
  const stage = await openStreamRig({ host, models, bounds });
  await stage.warm(model);
  return stage;
}
/** A word, and enough after it for the model to say it. */
const SPOKEN = pcm(speech(1), hush(1));
const isPartial = ({ partial }: { partial?: true }) => partial === true;

/** The connection under the client, for what its library would never send. */
function rawOf({ socket }: Speaker): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}

async function stillWorks(stage: Awaited<ReturnType<typeof open>>): Promise<void> {
  await rig.until(() => host.models().every(({ runs }) => runs === 0));
  const speaker = await stage.speak('words', 'client');
  speaker.send(pcm(speech(1)));
  speaker.send('end');
  assert.equal((await speaker.until(isFinal)).text, said(1));
  await speaker.closed;
}

describe('a client', () => {
  test('that sends a message of more than there may be is closed with the code that says so', async () => {
    await using stage = await open({ messageBytes: 20_000 });
    const speaker = await stage.speak('words', 'client');
    speaker.send(new Uint8Array(20_001));
    assert.equal(await speaker.closed, 1009);
    assert.equal((await stage.ended(0)).reason, 'client left before the final');
    await stillWorks(stage);
  });

  test('that announces a message of 8 EiB is not waited for', async () => {
    await using stage = await open({});
    const speaker = await stage.speak('words', 'client');
    rawOf(speaker).write(Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    assert.ok([1009, 1002, 1006].includes(await speaker.closed));
    await stillWorks(stage);
  });

  test('that speaks no sensible WebSocket is closed, whatever it sends', async () => {
    await using stage = await open({});
    for (const [what, frame, codes] of [
      ['an opcode that there is not', [0x83, 0x80, 0, 0, 0, 0], [1002]],
      ['a reserved bit', [0xc2, 0x80, 0, 0, 0, 0], [1002]],
      ['a frame without a mask', [0x82, 0x01, 0x00], [1002]],
      ['a continuation of nothing', [0x80, 0x80, 0, 0, 0, 0], [1002]],
      ['a ping of 200 bytes', [0x89, 0xfe, 0, 200], [1002]],
      ['a text that is no UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff], [1007]],
      ['a close with half a code', [0x88, 0x81, 0, 0, 0, 0, 0x03], [1002]],
    ] as const) {
      await rig.until(() => host.models().every(({ runs }) => runs === 0));
      const speaker = await stage.speak('words', 'client');
      rawOf(speaker).write(Buffer.from(frame));
      const code = await speaker.closed;
      assert.ok((codes as readonly number[]).includes(code), `${what}: ${code}`);
    }
    await stillWorks(stage);
  });

  test('that floods with texts is told once too often, and closed', async () => {
    await using stage = await open({ nonsense: 5 });
    const speaker = await stage.speak('words', 'client');
    for (let i = 0; i < 1_000; i += 1) speaker.send(`nonsense ${i}`);
    assert.equal(await speaker.closed, 1000);
    assert.equal(speaker.told.filter(isError).length, 6);
    assert.equal(speaker.told.at(-1)?.error, 'too many unknown messages');
    assert.equal((await stage.ended(0)).reason, 'too many unknown messages');
    await stillWorks(stage);
  });

  test('that sends faster than the model hears has to wait, and nothing is lost', async () => {
    await using stage = await open({ queueBytes: 32_000 }, 'slow');
    const speaker = await stage.speak('slow', 'client');
    speaker.send(SPOKEN);
    // Ten minutes of silence, at once: more than the kernel takes of it on both sides.
    for (let sent = 0; sent < 20_000_000; sent += 32_000) speaker.send(new Uint8Array(32_000));
    await speaker.until(isPartial);
    assert.ok(speaker.socket.bufferedAmount > 5_000_000, `${speaker.socket.bufferedAmount} bytes wait at the client`);
    speaker.socket.terminate();
    assert.equal((await stage.ended(0)).status, 'failed');
    await rig.until(() => host.models().every(({ runs }) => runs === 0));
    const again = await stage.speak('slow', 'client');
    const short = pcm(speech(8), hush(1), speech(2));
    for (let at = 0; at < short.length; at += 3_200) again.send(short.subarray(at, at + 3_200));
    again.send('end');
    assert.equal((await again.until(isFinal)).text, `${said(8)} alpha bravo`);
  });

  test('that has gone without a word is found out, and its model freed', async () => {
    await using stage = await open({ pingMs: 100 });
    const speaker = await stage.speak('words', 'client', { autoPong: false });
    assert.equal(await speaker.closed, 1006);
    assert.equal((await stage.ended(0)).reason, 'client left before the final');
    await stillWorks(stage);
  });

  test('that is there, and says nothing, gets the text so far', async () => {
    await using stage = await open({ quietMs: 300, pingMs: 100 });
    const speaker = await stage.speak('words', 'server');
    speaker.send(pcm(speech(1)));
    assert.equal((await speaker.until(isFinal)).text, said(1));
    assert.equal(await speaker.closed, 1000);
  });

  test('that never ends gets the text so far when its time is up', async () => {
    await using stage = await open({ streamMs: 1_000 });
    const speaker = await stage.speak('words', 'client');
    const talking = setInterval(() => speaker.send(pcm(speech(1))), 50);
    const { text } = await speaker.until(isFinal);
    clearInterval(talking);
    assert.match(text ?? '', /^alpha/);
  });

  test('that does not close when it is told to is cut off', async () => {
    await using stage = await open({ closeMs: 100 });
    const { hostname, port, pathname, search } = new URL(stage.url('words', { endpoint: 'client' }));
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    await once(socket, 'data');
    // The text `end`, masked with zeros; the close that follows is not answered.
    socket.write(Buffer.from([0x81, 0x83, 0, 0, 0, 0, 0x65, 0x6e, 0x64]));
    socket.resume();
    await once(socket, 'close');
    assert.equal((await stage.ended(0)).status, 'completed');
    await stillWorks(stage);
  });

  test('that begins a handshake and does not end it is disconnected', async () => {
    await using stage = await open({ handshakeMs: 200 });
    const { hostname, port } = new URL(stage.url('words'));
    for (const beginning of ['', 'GET /transcribe?token=', 'GET / HTTP/1.1\r\nx-slow: 1\r\n']) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      if (beginning !== '') socket.write(beginning);
      socket.resume();
      await once(socket, 'close');
    }
    // One whose handshake is done is not held to that time.
    const speaker = await stage.speak('words', 'client');
    await new Promise((resolve) => setTimeout(resolve, 400));
    speaker.send(pcm(speech(1)));
    speaker.send('end');
    assert.equal((await speaker.until(isFinal)).text, said(1));
  });

  test('with headers without end gets no further', async () => {
    await using stage = await open({});
    const { hostname, port } = new URL(stage.url('words'));
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`GET /transcribe?token=${'x'.repeat(100_000)}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1.1 4(31|14|00) /);
    socket.destroy();
  });

  test('too many of them are kept out', async () => {
    await using stage = await open({ streams: 1, connections: 3 });
    const first = await stage.speak('words', 'client');
    await assert.rejects(stage.speak('words', 'client'), { message: '503' });
    first.send('end');
    await first.until(isFinal);
  });
});

describe('the model', () => {
  test('whose engine dies is told to the client', async () => {
    await using stage = await open({});
    const speaker = await stage.speak('words', 'client');
    speaker.send(SPOKEN);
    await speaker.until(isPartial);
    const { pid } = host.models().find(({ model }) => model === 'words') ?? {};
    assert.ok(pid);
    process.kill(pid, 'SIGKILL');
    assert.match((await speaker.until(isError)).error ?? '', /engine process of `words` .* ended by SIGKILL/);
    assert.equal(await speaker.closed, 1011);
    assert.match((await stage.ended(0)).reason ?? '', /SIGKILL/);
    await stage.warm('words');
    await stillWorks(stage);
  });
});

describe('the listener', () => {
  test('goes without a port that is taken, and says so', async () => {
    const other = createServer();
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as AddressInfo;
    await using stage = await openStreamRig({ host, models, port });
    assert.equal(stage.streams.port, undefined);
    assert.equal(stage.streams.mint('words'), undefined);
    assert.match(JSON.stringify(stage.logged()), /cannot be had.*EADDRINUSE/);
    other.close();
  });

  test('gives who still speaks the text so far when the worker stops', async () => {
    const stage = await open({});
    const speaker = await stage.speak('words', 'client');
    speaker.send(SPOKEN);
    await speaker.until(isPartial);
    const url = stage.url('words');
    const disposed = stage.streams[Symbol.asyncDispose]();
    assert.equal((await speaker.until(isFinal)).text, said(1));
    await disposed;
    await assert.rejects(openSpeaker(url));
    assert.equal(stage.streams.mint('words'), undefined);
    await stage[Symbol.asyncDispose]();
  });

  test('does not wait for a model that takes too long', async () => {
    const stage = await open({ stopMs: 100 }, 'slow');
    const speaker = await stage.speak('slow', 'client');
    speaker.send(pcm(speech(60)));
    await speaker.until(isPartial);
    const disposed = stage.streams[Symbol.asyncDispose]();
    assert.equal((await speaker.until(isError)).error, 'the worker is stopping');
    assert.equal(await speaker.closed, 1001);
    await disposed;
    assert.equal((await stage.ended(0)).reason, 'the worker is stopping');
    await stage[Symbol.asyncDispose]();
  });
});
