// Live speech with the whole worker: a token over the local API, a client from the network, a job in the history, and the
// same model for recordings.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { toFile } from 'openai';
import { ctcFiles, hush, pcm, said, speech } from '../../engines/sherpa-stream/rig.ts';
import { concat, wavOf } from '../../engines/speech-rig.ts';
import { type ApiWorker, SYNTHETIC, startApiWorker, type TestModel } from '../api/worker-rig.ts';
import { tempDir } from '../temp-dir.ts';
import { isError, isFinal, openSpeaker, type Speaker } from './speaker.ts';

const SPEECH_PAGE = new URL('../../../docs/speech.md', import.meta.url);
const EARS: TestModel = { id: 'ears', kind: 'audio_stt', engine: 'sherpa-stream', files: ctcFiles() };
type Minted = { token: string; model: string; expiresAt: string; port: number; path: string };

describe('a worker that listens', () => {
  let api: ApiWorker;
  before(async () => {
    api = await startApiWorker([EARS, ...SYNTHETIC], 'stream_enabled = true', { STUDIO_WORKER_STREAM_PORT: '0' });
  });
  after(async () => api?.[Symbol.asyncDispose]());

  const mint = async (body: object = { model: 'ears' }): Promise<Minted> => {
    const answer = await api.post('/stream-tokens', body);
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text);
  };
  const speak = ({ port, path, token }: Minted, endpoint = 'server'): Promise<Speaker> =>
    openSpeaker(`ws://127.0.0.1:${port}${path}?token=${token}&endpoint=${endpoint}`);

  test('gives out tokens as the contract has them', async () => {
    const beforeMs = Date.now();
    const { token, model, expiresAt, port, path, ...rest } = await mint({ model: 'ears', ttlSecs: 1 });
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.deepEqual([model, path, rest], ['ears', '/transcribe', {}]);
    assert.ok(port > 0);
    const inMs = Date.parse(expiresAt) - beforeMs;
    assert.ok(inMs >= 30_000 && inMs < 60_000, `${inMs} ms, at least half a minute whatever was asked`);
    const usual = Date.parse((await mint()).expiresAt) - Date.now();
    assert.ok(usual > 540_000 && usual <= 600_000, `${usual} ms`);
  });

  test('refuses to give one out for what cannot be', async () => {
    for (const [body, status, error] of [
      [{}, 400, 'bad_request'],
      [{ model: 7 }, 400, 'bad_request'],
      [{ model: 'ears', ttlSecs: '600' }, 400, 'bad_request'],
      [[], 400, 'bad_request'],
      [{ model: 'nobody' }, 404, 'unknown_model'],
      [{ model: '__proto__' }, 404, 'unknown_model'],
      [{ model: 'synthetic-stt' }, 400, 'not_a_stream_model'],
      [{ model: 'synthetic-llm' }, 400, 'not_a_stream_model'],
    ] as const) {
      const answer = await api.post('/stream-tokens', body);
      assert.deepEqual([answer.status, JSON.parse(answer.text).error], [status, error], JSON.stringify(body));
      assert.equal(typeof JSON.parse(answer.text).message, 'string');
    }
    const broken = await api.ask('/stream-tokens', { method: 'POST', body: '{' });
    assert.deepEqual([broken.status, JSON.parse(broken.text).error], [400, 'bad_request']);
    const stranger = await fetch(`${api.url}/stream-tokens`, { method: 'POST', body: '{"model":"ears"}' });
    assert.equal(stranger.status, 401);
  });

  test('hears nobody with a model that is not loaded, and then, once it is, everybody in turn', async () => {
    const minted = await mint();
    const early = await speak(minted);
    assert.deepEqual(await early.until(isError), { error: 'model ears is not loaded (unloaded)' });
    assert.equal((await api.post('/models/ears/load', {})).status, 202);
    while (JSON.parse((await api.ask('/models/ears/state')).text).state !== 'loaded');
    for (const words of [3, 1, 5]) {
      const speaker = await speak(minted);
      speaker.send(pcm(speech(words), hush(6)));
      assert.equal((await speaker.until(isFinal)).text, said(words));
      assert.equal(await speaker.closed, 1000);
    }
    const jobs = JSON.parse((await api.ask('/jobs')).text) as { kind: string; prompt: string; status: string }[];
    assert.deepEqual(
      jobs.slice(0, 3).map(({ kind, prompt, status }) => [kind, prompt, status]),
      [said(5), said(1), said(3)].map((words) => ['audio_stt', words, 'completed']),
    );
  });

  test('transcribes recordings with the same model', async () => {
    const sound = wavOf(concat(speech(4), hush(6), speech(2)));
    const { text } = await api.openai.audio.transcriptions.create({
      model: 'ears',
      file: await toFile(sound, 'a.wav'),
    });
    assert.equal(text, `${said(4)} ${said(2)}`);
  });

  test('is spoken to by the client of the documentation', async () => {
    const [, client = ''] = /```js\n(\/\/ speak\.mjs.*?)```/s.exec(await readFile(SPEECH_PAGE, 'utf8')) ?? [];
    const home = await tempDir();
    await mkdir(home.file('.config/minis-studio-worker'), { recursive: true });
    await copyFile(`${api.worker.dir}/local-api.json`, home.file('.config/minis-studio-worker/local-api.json'));
    await writeFile(home.file('speak.mjs'), client);
    const child = spawn(process.execPath, [home.file('speak.mjs')], {
      env: { ...process.env, HOME: home.path, USERPROFILE: home.path },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    child.stdin.on('error', () => {});
    child.stdin.write(pcm(speech(3), hush(6)));
    const lines = (await text(child.stdout)).trimEnd().split('\n');
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual(lines, ['alpha', 'alpha bravo', said(3), said(3)]);
    await home[Symbol.asyncDispose]();
  });

  test('never writes a token down', async () => {
    const minted = await mint();
    await assert.rejects(speak({ ...minted, path: '/else' }), { message: '404' });
    await assert.rejects(speak(minted, 'nobody'), { message: '400' });
    const speaker = await speak(minted, 'client');
    speaker.send('end');
    await speaker.until(isFinal);
    await api.worker.until('a stream has ended');
    assert.equal(api.worker.text().includes(minted.token), false);
  });

  test('gives who speaks the text so far when it is told to stop', async () => {
    const speaker = await speak(await mint(), 'client');
    speaker.send(pcm(speech(2), hush(1)));
    await speaker.until((told) => told.text === said(2));
    api.worker.kill('SIGTERM');
    assert.equal((await speaker.until(isFinal)).text, said(2));
    assert.deepEqual(await api.worker.exited, { code: 0, signal: null });
  });
});

describe('a worker that does not listen', () => {
  test('says so when a token is asked for', async () => {
    await using api = await startApiWorker([EARS]);
    const answer = await api.post('/stream-tokens', { model: 'ears' });
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.text).error, 'stream_listener_down');
    assert.match(JSON.parse(answer.text).message, /stream_enabled = true/);
    assert.doesNotMatch(api.worker.text(), /live speech/);
  });
});
