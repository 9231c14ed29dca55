// Live speech from a real client over a real socket to the real recogniser in its engine process, row by row of the
// contract.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, describe, test } from 'node:test';
import { sherpaStream } from '../../../src/engines/sherpa-stream/descriptor.ts';
import type { Verdict } from '../../../src/workers/types.ts';
import { chunked, ctcFiles, hush, pcm, said, speech } from '../../engines/sherpa-stream/rig.ts';
import { dataUrl, openModels, wavOf } from '../../engines/speech-rig.ts';
import { ears, openRig } from '../../workers/rig.ts';
import { isError, isFinal, openSpeaker } from './speaker.ts';
import { openStreamRig } from './stream-rig.ts';

const files = openModels('audio_stt');
const { modelsRoot } = files;
const engines = { extraEngines: [sherpaStream], engine: { modelsRoot, gpu: 'cpu' } } as const;
const words = await files.add('sherpa-stream', 'words', ctcFiles());
const slow = await files.add('sherpa-stream', 'slow', ctcFiles({ products: 3 }));
const models = { words: words(''), slow: slow(''), cold: (await files.add('sherpa-stream', 'cold', ctcFiles()))('') };

const { host, ...rig } = await openRig({ ...engines, pool: { threads: 2 } });
const stage = await openStreamRig({ host, models });
await stage.warm('words');
after(async () => {
  await stage[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});
/** Jobs so far, so that a test finds its own. */
const jobsSoFar = () => stage.activity.recent('local').length;

describe('a stream', () => {
  test('whose end the server finds: partial texts, the final one, and the close', async () => {
    const jobs = jobsSoFar();
    const speaker = await stage.speak('words', 'server');
    for await (const bytes of chunked(pcm(speech(3), hush(6)))) speaker.send(bytes);
    assert.equal((await speaker.until(isFinal)).text, said(3));
    assert.equal(await speaker.closed, 1000);
    assert.deepEqual(speaker.told, [
      { partial: true, text: 'alpha' },
      { partial: true, text: 'alpha bravo' },
      { partial: true, text: 'alpha bravo charlie' },
      { final: true, text: 'alpha bravo charlie' },
    ]);
    const { jobId, startedAt, finishedAt, ...job } = await stage.ended(jobs);
    assert.match(jobId, /^stream-\d{13}-\d+$/);
    assert.ok(finishedAt !== undefined && finishedAt >= startedAt);
    assert.deepEqual(job, {
      kind: 'audio_stt',
      model: 'words',
      prompt: said(3),
      source: 'stream',
      status: 'completed',
      hasThumbnail: false,
    });
  });

  test('hears nothing that comes after the end', async () => {
    const speaker = await stage.speak('words', 'server');
    speaker.send(pcm(speech(2), hush(6), speech(5)));
    speaker.send(pcm(speech(5)));
    assert.equal((await speaker.until(isFinal)).text, said(2));
  });

  test('whose end the client says, in words that need not be tidy', async () => {
    for (const end of ['end', '  end\r\n']) {
      const speaker = await stage.speak('words', 'client');
      speaker.send(pcm(speech(2), hush(10), speech(1)));
      speaker.send(end);
      const { text } = await speaker.until(isFinal);
      assert.equal(text, `${said(2)} ${said(1)}`);
      assert.equal(await speaker.closed, 1000);
    }
  });

  test('in which nobody says anything has an empty text', async () => {
    const jobs = jobsSoFar();
    const speaker = await stage.speak('words', 'client');
    speaker.send('end');
    await speaker.until(isFinal);
    assert.deepEqual(speaker.told, [{ final: true, text: '' }]);
    assert.equal((await stage.ended(jobs)).prompt, '');
  });

  test('ends at the client’s ceiling of silence', async () => {
    const speaker = await stage.speak('words', 'client');
    speaker.send(pcm(speech(1), hush(100)));
    assert.equal((await speaker.until(isFinal)).text, said(1));
  });

  test('may be cut anywhere, in the middle of a sample too', async () => {
    const sound = pcm(speech(3), hush(6));
    for (const bytes of [1_001, 7_777, 33_333]) {
      const speaker = await stage.speak('words', 'server');
      for await (const part of chunked(sound, bytes)) speaker.send(part);
      assert.equal((await speaker.until(isFinal)).text, said(3), `${bytes} bytes a message`);
      await speaker.closed;
    }
  });

  test('that is cancelled has no final text, and its model is free as soon as it is closed', async () => {
    const jobs = jobsSoFar();
    const speaker = await stage.speak('words', 'client');
    speaker.send(pcm(speech(2)));
    await speaker.until(({ partial }) => partial === true);
    speaker.send(' cancel ');
    assert.equal(await speaker.closed, 1000);
    assert.deepEqual(
      speaker.told.filter(({ partial }) => !partial),
      [],
    );
    const next = await stage.speak('words', 'client');
    next.send('end');
    await next.until(isFinal);
    const { status, reason, prompt } = await stage.ended(jobs);
    assert.deepEqual({ status, reason, prompt }, { status: 'failed', reason: 'cancelled by the client', prompt: '' });
    await next.closed;
  });

  test('goes on after a text that makes no sense', async () => {
    const speaker = await stage.speak('words', 'client');
    speaker.send('END');
    speaker.send('{"end":true}');
    speaker.send('');
    speaker.send(pcm(speech(1)));
    speaker.send('end');
    assert.equal((await speaker.until(isFinal)).text, said(1));
    const errors = speaker.told.filter(isError).map(({ error }) => error);
    assert.equal(errors.length, 3);
    assert.match(errors[0] ?? '', /unknown message/);
  });

  test('whose client leaves is a failed job, and the model goes on', async () => {
    for (const ended of [false, true]) {
      const jobs = jobsSoFar();
      const speaker = await stage.speak('words', 'client');
      speaker.send(pcm(speech(2)));
      await speaker.until(({ partial }) => partial === true);
      if (ended) speaker.send('cancelled?');
      speaker.socket.terminate();
      const { status, reason } = await stage.ended(jobs);
      assert.deepEqual({ status, reason }, { status: 'failed', reason: 'client left before the final' });
      await rig.until(() => host.models().every(({ runs }) => runs === 0));
    }
    const next = await stage.speak('words', 'client');
    next.send('end');
    await next.until(isFinal);
    await next.closed;
  });

  test('is logged without what was said', () => {
    const lines = JSON.stringify(stage.logged());
    assert.match(lines, /a stream begins/);
    assert.match(lines, /a stream has ended/);
    assert.doesNotMatch(lines, /alpha|bravo/);
  });
});

describe('a stream is turned away', () => {
  test('from a model that is not loaded', async () => {
    const jobs = jobsSoFar();
    const speaker = await stage.speak('cold');
    assert.equal(await speaker.closed, 1013);
    assert.deepEqual(speaker.told, [{ error: 'model cold is not loaded (unloaded)' }]);
    assert.equal(
      host.models().some(({ model }) => model === 'cold'),
      false,
    );
    assert.equal(jobsSoFar(), jobs, 'what never began is no job');
  });

  test('from a model that is unloaded while it hears', async () => {
    const jobs = jobsSoFar();
    const speaker = await stage.speak('words', 'client');
    speaker.send(pcm(speech(1), hush(1)));
    await speaker.until(({ partial }) => partial === true);
    const { key = '' } = host.models().find(({ model }) => model === 'words') ?? {};
    // As `Models.unload` does, which lets it go on for 10 s.
    const unloaded = host.unload(key, { drainMs: 0 });
    assert.deepEqual(await speaker.until(isError), { error: 'model unloaded' });
    assert.equal(await speaker.closed, 1011);
    await unloaded;
    assert.equal((await stage.ended(jobs)).reason, 'model unloaded');
    const next = await stage.speak('words');
    assert.match((await next.until(isError)).error ?? '', /^model words is not loaded \((unloading|unloaded)\)$/);
    await stage.warm('words');
  });

  test('from a model that has left the catalogue', async () => {
    const speaker = await stage.speak('elsewhere');
    assert.equal(await speaker.closed, 1013);
    assert.deepEqual(speaker.told, [{ error: 'model elsewhere is not loaded (unknown)' }]);
  });

  test('from a model that hears somebody else', async () => {
    const first = await stage.speak('words', 'client');
    first.send(pcm(speech(1), hush(1)));
    await first.until(({ partial }) => partial === true);
    const second = await stage.speak('words', 'client');
    second.send(pcm(speech(5)));
    assert.equal(await second.closed, 1013);
    assert.deepEqual(second.told, [{ error: 'model words is busy serving another request' }]);
    first.send('end');
    assert.equal((await first.until(isFinal)).text, said(1));
    await first.closed;
    assert.equal(host.models().filter(({ model }) => model === 'words').length, 1, 'it was not loaded a second time');
  });

  test('when it is the turn of a job of the studio’s', async () => {
    const first = await stage.speak('words', 'client');
    first.send(pcm(speech(1), hush(1)));
    await first.until(({ partial }) => partial === true);
    // The pool has two places, and the studio wants one that is not there.
    const other = { ...words(dataUrl(wavOf(speech(1)))), vramBytes: 0 };
    const full: Verdict = { kind: 'busy', why: 'no free place in the audio_stt pool' };
    assert.equal(stage.turns.offered(other, full).kind, 'busy');
    first.send('end');
    await first.until(isFinal);
    await first.closed;
    const second = await stage.speak('words', 'client');
    assert.deepEqual(await second.until(isError), { error: 'model words is busy serving another request' });
    stage.turns.forgetOffers();
    const third = await stage.speak('words', 'client');
    third.send('end');
    await third.until(isFinal);
    await third.closed;
  });

  test('from a model that transcribes a recording', async () => {
    const heard = ears();
    await stage.warm('slow');
    const run = host.run(slow(dataUrl(wavOf(speech(60)))), heard);
    await heard.started;
    const speaker = await stage.speak('slow');
    assert.equal(await speaker.closed, 1013);
    assert.deepEqual(speaker.told, [{ error: 'model slow is busy serving another request' }]);
    run.cancel('CANCELLED', 'enough');
    await assert.rejects(run.done);
  });
});

describe('a handshake', () => {
  const answerTo = (parameters: Record<string, string>, path = '/transcribe') =>
    openSpeaker(stage.url('words', parameters).replace('/transcribe', path)).then(
      () => '101',
      (error: Error) => error.message,
    );

  test('is judged by path, endpoint and token, in this order', async () => {
    assert.equal(await answerTo({ token: 'x', endpoint: 'x' }, '/else'), '404');
    assert.equal(await answerTo({ token: 'x', endpoint: 'x' }), '400');
    assert.equal(await answerTo({ token: 'x' }), '401');
    assert.equal(await answerTo({ token: '0'.repeat(64) }), '401');
  });

  test('that is no WebSocket’s is answered in HTTP', async () => {
    const http = stage.url('words').replace('ws:', 'http:');
    for (const [url, status] of [
      [http, 426],
      [http.replace(/token=\w+/, 'token=x'), 401],
      [http.replace('endpoint=server', 'endpoint='), 400],
      [http.replace('/transcribe', '/'), 404],
    ] as const) {
      const answer = await fetch(url);
      assert.equal(answer.status, status, url);
      await answer.text();
    }
  });

  test('of a version of the protocol that there is not is refused by the library', async () => {
    const { pathname, search, port } = new URL(stage.url('words'));
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 7\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1.1 400 /);
    socket.destroy();
  });

  test('may use a token again', async () => {
    const url = stage.url('words', { endpoint: 'client' });
    for (let i = 0; i < 2; i += 1) {
      const speaker = await openSpeaker(url);
      speaker.send('end');
      await speaker.until(isFinal);
      await speaker.closed;
    }
  });
});
