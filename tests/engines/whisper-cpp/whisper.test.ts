// whisper.cpp itself, in engine processes, on models that say what they are told.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { parakeetModel } from '../../../fixtures/models/parakeet.ts';
import { whisperModel } from '../../../fixtures/models/whisper.ts';
import { vadModel } from '../../../fixtures/models/whisper-vad.ts';
import { whisperCpp } from '../../../src/engines/whisper-cpp/descriptor.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { type Ears, ears, isAlive, openRig, type RigPatch } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { concat, dataUrl, jsonOf, noise, openModels, silence, wavOf } from '../speech-rig.ts';

const models = openModels('audio_stt');
const { modelsRoot } = models;
const engines = { extraEngines: [whisperCpp], engine: { modelsRoot, gpu: 'cpu' } } as const;

const scripted = whisperModel({
  speech: [' Hello', ' world', { text: '.', at: 2 }, ' This is', { text: ' tiny', at: 4.5 }],
  silence: [{ text: ' [BLANK_AUDIO]', at: 5 }],
  translation: [' Hallo', { text: ' Welt', at: 3 }],
});
const tiny = await models.add('whisper-cpp', 'tiny', [
  { role: 'model', filename: 'tiny.bin', content: scripted },
  { role: 'vad', filename: 'vad.bin', content: vadModel() },
]);
const plain = await models.add('whisper-cpp', 'plain', [{ role: 'model', filename: 'plain.bin', content: scripted }]);
const parakeet = await models.add('whisper-cpp', 'parakeet', [
  { role: 'model', filename: 'parakeet.bin', content: parakeetModel(['▁hello', '▁para', 'keet', '.']) },
]);

const SPEECH = dataUrl(wavOf(noise(5)));
const TEXT = 'Hello world. This is tiny';

const open = (patch: RigPatch = {}) =>
  openRig({ ...engines, ...patch, engine: { ...engines.engine, ...patch.engine } });

/** One host for most tests: each model is loaded once, by the first test that needs it. */
const shared = await open();
after(() => shared[Symbol.asyncDispose]());

async function heard(job: HostJob, { host } = shared): Promise<Record<string, unknown> & { listener: Ears }> {
  const listener = ears();
  const value = jsonOf(await host.run(job, listener).done);
  return { ...value, listener };
}

conformance({
  title: 'whisper-cpp',
  extraEngines: engines.extraEngines,
  settings: engines.engine,
  jobs: [plain(SPEECH), parakeet(SPEECH)],
  slowJob: plain(dataUrl(wavOf(noise(95)))),
  wrongJob: plain(SPEECH, { language: 'klingon' }),
});

describe('a transcript', () => {
  test('has text, times, language and duration, and streams the same text', async () => {
    const { listener, ...transcript } = await heard(plain(SPEECH));
    assert.deepEqual(transcript, {
      text: TEXT,
      language: 'en',
      duration: 5,
      segments: [
        { id: 0, start: 0, end: 2, text: ' Hello world.' },
        { id: 1, start: 2, end: 4.5, text: ' This is tiny' },
      ],
    });
    assert.deepEqual(listener.tokens, [' Hello world.', ' This is tiny']);
  });

  test('of silence is what the model says to it, and times end with the audio', async () => {
    const { text, segments } = await heard(plain(dataUrl(wavOf(silence(3)))));
    assert.deepEqual([text, segments], ['[BLANK_AUDIO]', [{ id: 0, start: 0, end: 3, text: ' [BLANK_AUDIO]' }]]);
  });

  test('has the times of words when they are asked for', async () => {
    const { text, segments } = await heard(plain(SPEECH, { timestamps: 'word' }));
    const [first, second] = segments as { text: string; words: { word: string; start: number; end: number }[] }[];
    assert.equal(text, TEXT);
    assert.deepEqual([first?.text, second?.text], [' Hello world.', ' This is tiny']);
    assert.deepEqual(
      first?.words.map(({ word }) => word),
      ['Hello', 'world.'],
    );
    assert.deepEqual(
      second?.words.map(({ word }) => word),
      ['This is', 'tiny'],
    );
    const times = [...(first?.words ?? []), ...(second?.words ?? [])].flatMap(({ start, end }) => [start, end]);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.deepEqual([times[0], times.at(-1)], [0, 4.5]);
  });

  test('of a long recording goes on past the first half minute', async () => {
    const { text, segments, listener } = await heard(plain(dataUrl(wavOf(noise(65)))));
    assert.equal(text, [TEXT, TEXT, TEXT].join(' '));
    assert.deepEqual(
      (segments as { start: number }[]).map(({ start }) => start),
      [0, 2, 30, 32, 60, 62],
    );
    assert.ok(listener.progressed.length >= 3);
  });

  test('translates, takes tags of languages, and detects the language when it is told none', async () => {
    const translated = await heard(plain(SPEECH, { translate: true, language: 'de-AT' }));
    assert.deepEqual([translated.text, translated.language], ['Hallo Welt', 'de']);
    const german = await models.add('whisper-cpp', 'german', [
      {
        role: 'model',
        filename: 'g.bin',
        content: whisperModel({ language: 'de', speech: [{ text: ' Guten Tag', at: 2 }] }),
      },
    ]);
    assert.equal((await heard(german(SPEECH))).language, 'de');
    assert.equal((await heard(german(SPEECH, { language: 'auto', prompt: 'Ein Tag' }))).text, 'Guten Tag');
  });
});

describe('voice activity detection', () => {
  test('hears the parts with speech alone, and tells their times in the recording', async () => {
    const sound = concat(silence(2), noise(2), silence(3), noise(3), silence(1));
    const { text, segments, duration } = await heard(tiny(dataUrl(wavOf(sound)), { vad: true }));
    assert.deepEqual([text, duration], [TEXT, 11]);
    const times = (segments as { start: number; end: number }[]).map(({ start, end }) => [start, end]);
    // The joined sound begins at 2 s; its second part, at 2.1 s there, lies at 7 s.
    assert.ok(Math.abs((times[0]?.[0] ?? 0) - 2) < 0.1, JSON.stringify(times));
    assert.ok(Math.abs((times[0]?.[1] ?? 0) - 4) < 0.2, JSON.stringify(times));
    assert.ok(Math.abs((times[1]?.[1] ?? 0) - 9.3) < 0.3, JSON.stringify(times));
  });

  test('of silence is no speech at all', async () => {
    const { text, segments } = await heard(tiny(dataUrl(wavOf(silence(2))), { vad: true }));
    assert.deepEqual([text, segments], ['', []]);
  });

  test('without a model for it is refused, with its role', async () => {
    await assert.rejects(heard(plain(SPEECH, { vad: true })), { code: 'INPUT_INVALID', message: /role `vad`/ });
  });
});

describe('a parakeet model', () => {
  test('answers with its text, in pieces no longer than its window', async () => {
    const { text, duration, segments, listener } = await heard(parakeet(dataUrl(wavOf(noise(20)))));
    assert.deepEqual([text, duration, listener.tokens.length], ['hello parakeet. hello parakeet.', 20, 2]);
    const [first, second] = segments as { start: number; end: number }[];
    assert.ok(
      first && second && first.end <= second.start && first.end < 16 && second.end === 20,
      JSON.stringify(segments),
    );
  });

  test('refuses what it cannot do', async () => {
    for (const more of [{ translate: true }, { timestamps: 'word' }]) {
      await assert.rejects(heard(parakeet(SPEECH, more)), { code: 'INPUT_INVALID', message: /use a whisper model/ });
    }
  });
});

test('two runs of one model at a time each get their own text', async () => {
  await using rig = await open({ pool: { concurrency: 2 } });
  const loud = rig.host.run(plain(SPEECH), ears());
  const quiet = rig.host.run(plain(dataUrl(wavOf(silence(6)))), ears());
  const [first, second] = [jsonOf(await loud.done), jsonOf(await quiet.done)];
  assert.deepEqual([first.text, second.text], [TEXT, '[BLANK_AUDIO]']);
  assert.equal(rig.host.models().length, 1);
});

test('a cancelled run leaves the same process ready, and a killed one is replaced', async () => {
  await using rig = await open();
  const listener = ears();
  const run = rig.host.run(plain(dataUrl(wavOf(noise(95)))), listener);
  await listener.started;
  const { pid = 0 } = rig.host.models()[0] ?? {};
  run.cancel('CANCELLED', 'test');
  await assert.rejects(run.done, { code: 'CANCELLED' });
  assert.equal(jsonOf(await rig.host.run(plain(SPEECH), ears()).done).text, TEXT);
  assert.equal(rig.host.models()[0]?.pid, pid);

  const doomed = ears();
  const crashing = rig.host.run(plain(dataUrl(wavOf(noise(95)))), doomed);
  await doomed.started;
  process.kill(pid, 'SIGABRT');
  await assert.rejects(crashing.done, { code: 'ENGINE_CRASHED', retryable: true });
  assert.equal(jsonOf(await rig.host.run(plain(SPEECH), ears()).done).text, TEXT);
  assert.equal(isAlive(pid), false);
});

test('a GPU that is demanded and not there is a failure that says what to install', async () => {
  const wanted = process.platform === 'darwin' ? 'cuda' : 'metal';
  await using rig = await open({ engine: { gpu: wanted } });
  await assert.rejects(heard(plain(SPEECH), rig), {
    code: 'ENGINE_UNAVAILABLE',
    retryable: false,
  });
});

test('a run that is cancelled while it waits for its turn leaves at once, and the others go on', async () => {
  await using rig = await open({ pool: { concurrency: 3 } });
  const first = ears();
  const running = rig.host.run(plain(dataUrl(wavOf(noise(95)))), first);
  await first.started;
  const [second, third] = [ears(), ears()];
  const waiting = rig.host.run(plain(SPEECH), second);
  const last = rig.host.run(plain(dataUrl(wavOf(silence(6)))), third);
  await second.running;
  waiting.cancel('CANCELLED', 'test');
  await assert.rejects(waiting.done, { code: 'CANCELLED' });
  assert.equal(jsonOf(await last.done).text, '[BLANK_AUDIO]');
  assert.match(String(jsonOf(await running.done).text), /^Hello world\. This is tiny Hello/);
});
