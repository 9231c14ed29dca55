// The small parts of a stream: the handshake, whole samples from any messages, and sound that waits.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeHandshake } from '../../../src/supervisor/stream/handshake.ts';
import { openPcmReader } from '../../../src/supervisor/stream/pcm.ts';
import { openSoundQueue } from '../../../src/supervisor/stream/sound-queue.ts';

describe('the handshake', () => {
  const tokens = { modelOf: (token: string) => (token === 'good' ? 'ears' : undefined) };
  const TABLE = [
    ['/transcribe?token=good&endpoint=server', 'admitted'],
    ['/transcribe?endpoint=client&token=good', 'admitted'],
    ['/transcribe?endpoint=client&token=good&more=1', 'admitted'],
    // The path comes first, whatever else is wrong.
    ['/', 404],
    ['', 404],
    [undefined, 404],
    ['/transcribe/?token=good&endpoint=server', 404],
    ['/Transcribe?token=good&endpoint=server', 404],
    ['/%74ranscribe?token=good&endpoint=server', 404],
    ['/transcribe/../transcribe?token=good&endpoint=server', 404],
    ['http://127.0.0.1/transcribe?token=good&endpoint=server', 404],
    ['/elsewhere?token=bad&endpoint=nobody', 404],
    // Then the endpoint, whatever the token.
    ['/transcribe', 400],
    ['/transcribe?token=good', 400],
    ['/transcribe?token=good&endpoint=', 400],
    ['/transcribe?token=good&endpoint=SERVER', 400],
    ['/transcribe?token=bad&endpoint=nobody', 400],
    ['/transcribe?token=good&endpoint=server%00', 400],
    // Then the token.
    ['/transcribe?endpoint=server', 401],
    ['/transcribe?endpoint=server&token=', 401],
    ['/transcribe?endpoint=server&token=bad', 401],
    // Of several, the first one counts.
    ['/transcribe?endpoint=server&token=bad&token=good', 401],
    ['/transcribe?endpoint=server&token=%zz', 401],
  ] as const;
  for (const [target, expected] of TABLE) {
    test(`${target}: ${expected}`, () => {
      const found = judgeHandshake(target, tokens);
      assert.equal(found.kind === 'admitted' ? found.kind : found.status, expected);
      if (found.kind === 'admitted') assert.equal(found.model, 'ears');
    });
  }
});

test('samples are whole however their bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9 })), (messages) => {
      const read = openPcmReader();
      const all = Buffer.concat(messages);
      const samples = messages.flatMap((message) => {
        // At an odd address of a larger buffer, as a socket may give it.
        const shifted = new Uint8Array(message.length + 1);
        shifted.set(message, 1);
        return [...read(shifted.subarray(1))];
      });
      const expected = Array.from({ length: Math.floor(all.length / 2) }, (_, i) => all.readInt16LE(i * 2));
      assert.deepEqual(samples, expected);
    }),
  );
});

describe('sound that waits', () => {
  const chunk = (bytes: number) => new Uint8Array(bytes);

  function open() {
    const said: string[] = [];
    const queue = openSoundQueue({
      highBytes: 100,
      lowBytes: 50,
      full: () => said.push('full'),
      roomy: () => said.push('roomy'),
    });
    return { queue, said };
  }

  test('makes the sender wait when it is too much, and says when it is not any more', async () => {
    const { queue, said } = open();
    for (let i = 0; i < 3; i += 1) queue.push(chunk(40));
    assert.deepEqual(said, ['full']);
    const reader = queue.input[Symbol.asyncIterator]();
    assert.equal((await reader.next()).value?.byteLength, 40);
    assert.deepEqual(said, ['full'], '80 bytes are still many');
    await reader.next();
    assert.deepEqual(said, ['full', 'roomy']);
    for (let i = 0; i < 3; i += 1) queue.push(chunk(40));
    assert.deepEqual(said, ['full', 'roomy', 'full']);
  });

  test('is read to its end, also when that came first, and takes nothing after it', async () => {
    const { queue } = open();
    queue.push(chunk(2));
    queue.push(chunk(0));
    queue.end();
    queue.push(chunk(4));
    const read: number[] = [];
    for await (const bytes of queue.input) read.push(bytes.byteLength);
    assert.deepEqual(read, [2]);
  });

  test('reaches a reader that waits for it', async () => {
    const { queue } = open();
    const reader = queue.input[Symbol.asyncIterator]();
    const first = reader.next();
    queue.push(chunk(6));
    assert.equal((await first).value?.byteLength, 6);
    const last = reader.next();
    queue.end();
    assert.equal((await last).done, true);
  });

  test('is dropped when its reader leaves', async () => {
    const { queue, said } = open();
    queue.push(chunk(10));
    for await (const _ of queue.input) break;
    for (let i = 0; i < 100; i += 1) queue.push(chunk(40));
    assert.deepEqual(said, []);
  });
});
