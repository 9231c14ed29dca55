// sherpa-onnx's streaming recogniser itself, in engine processes, on a model that says a word for every 0.32 s of sound.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { sherpaStream } from '../../../src/engines/sherpa-stream/descriptor.ts';
import type { HostJob, JobResult } from '../../../src/workers/types.ts';
import { ears, openRig } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { concat, dataUrl, jsonOf, noise, openModels, WITHOUT_FFMPEG, wavOf } from '../speech-rig.ts';
import { chunked, ctcFiles, hush, pause, pcm, said, speech, tone } from './rig.ts';

const models = openModels('audio_stt');
const { modelsRoot } = models;
const engines = { extraEngines: [sherpaStream], engine: { modelsRoot, gpu: 'cpu' } } as const;
const rig = await openRig(engines);
after(() => rig[Symbol.asyncDispose]());

const words = await models.add('sherpa-stream', 'words', ctcFiles());
/** A step takes it some tens of milliseconds. */
const slow = await models.add('sherpa-stream', 'slow', ctcFiles({ products: 3 }));
const SOUND = dataUrl(wavOf(concat(speech(6), hush(6), speech(3), hush(1))));

conformance({
  title: 'sherpa-stream',
  extraEngines: engines.extraEngines,
  settings: engines.engine,
  jobs: [words(SOUND)],
  slowJob: slow(dataUrl(wavOf(speech(60)))),
  wrongJob: words(SOUND, { translate: true }),
});

async function heard(job: HostJob): Promise<Record<string, unknown>> {
  return jsonOf(await rig.host.run(job, ears()).done);
}

describe('a recording', () => {
  test('becomes a transcript with a segment for each utterance', async () => {
    const { text, language, duration, segments } = await heard(words(SOUND));
    assert.equal(text, `${said(6)} ${said(3)}`);
    assert.deepEqual([language, duration], ['und', 5.12]);
    const found = segments as { id: number; start: number; end: number; text: string }[];
    assert.deepEqual(
      found.map(({ id, text }) => [id, text.trim()]),
      [
        [0, said(6)],
        [1, said(3)],
      ],
    );
    for (const [i, { start, end }] of found.entries()) {
      // The model says a word up to two steps after it began.
      const [from, to] = i === 0 ? [0, 1.92] : [3.84, 5.12];
      assert.ok(start >= from && start < end && end <= to + 0.32, `${start} to ${end}`);
    }
  });

  test('has the times of words when they are asked for', async () => {
    const { segments } = await heard(words(dataUrl(wavOf(speech(3))), { timestamps: 'word' }));
    const [{ words: found } = { words: [] }] = segments as { words: { word: string; start: number; end: number }[] }[];
    assert.deepEqual(
      found.map(({ word, start, end }) => [word, start, end]),
      [
        ['alpha', 0.16, 0.48],
        ['bravo', 0.48, 0.8],
        ['charlie', 0.8, 0.96],
      ],
    );
  });

  test('is streamed utterance by utterance, together the text', async () => {
    const listener = ears();
    const long = concat(...Array.from({ length: 4 }, () => concat(speech(30), hush(8))));
    const { text } = jsonOf(await rig.host.run(words(dataUrl(wavOf(long))), listener).done);
    assert.ok(listener.tokens.length > 1, `${listener.tokens.length} pieces`);
    assert.equal(listener.tokens.join(''), text);
    assert.ok(listener.progressed.length > 100);
  });

  test('of silence, or of less than a word, has no text', async () => {
    for (const sound of [pause(3), tone(0.05), pause(0.001)]) {
      const { text, segments } = await heard(words(dataUrl(wavOf(sound))));
      assert.deepEqual([text, segments], ['', []]);
    }
  });

  test('may be of any rate, and of any format that ffmpeg reads', { skip: WITHOUT_FFMPEG }, async () => {
    const { text } = await heard(words(dataUrl(wavOf(speech(6), { sampleRate: 8_000 }))));
    // Played at half the rate, it is twice as long.
    assert.equal(text, said(12));
    const { encodeAudio } = await import('../../../src/engines/ffmpeg/transcode.ts');
    const { mkdtemp, readFile, rm, writeFile } = await import('node:fs/promises');
    const dir = await mkdtemp(`${modelsRoot}/flac-`);
    after(() => rm(dir, { recursive: true, force: true }));
    await writeFile(`${dir}/sound.wav`, wavOf(speech(6)));
    await encodeAudio(`${dir}/sound.wav`, 'flac', `${dir}/sound.flac`, {
      signal: new AbortController().signal,
      settings: { cpuThreads: 1, modelsRoot },
      progress: () => {},
    });
    const flac = await readFile(`${dir}/sound.flac`);
    assert.equal((await heard(words(dataUrl(flac, 'audio/flac')))).text, said(6));
  });

  test('is refused with what the engine cannot do', async () => {
    await assert.rejects(heard(words(SOUND, { vad: true })), { code: 'INPUT_INVALID', message: /know no vad/ });
    await assert.rejects(heard(words(SOUND, { translate: true })), {
      code: 'INPUT_INVALID',
      message: /do not translate/,
    });
    await assert.rejects(heard(words(dataUrl(Buffer.from('no sound at all')))), { code: 'INPUT_INVALID' });
  });
});

/** The same model as `words`, for speech that comes while it is heard. */
function live(input: AsyncIterable<Uint8Array>, job: HostJob = words('')): HostJob {
  return { ...job, task: { kind: 'audio_stt', operation: 'stream' }, input };
}

describe('live speech', () => {
  async function streamed(input: AsyncIterable<Uint8Array>) {
    const partials: string[] = [];
    const result: JobResult = await rig.host.run(live(input), { ...ears(), partial: (text) => partials.push(text) })
      .done;
    const { text, duration, segments } = jsonOf(result);
    return { partials, text, duration, segments };
  }

  test('gives every new text once, and the last word only after its end', async () => {
    const { partials, text, duration } = await streamed(chunked(pcm(speech(3))));
    assert.deepEqual(partials, ['alpha', 'alpha bravo', 'alpha bravo charlie']);
    assert.deepEqual([text, duration], ['alpha bravo charlie', 0.96]);
  });

  test('keeps what was said before a pause', async () => {
    const { partials, text } = await streamed(chunked(pcm(speech(3), hush(6), speech(2))));
    assert.equal(text, 'alpha bravo charlie alpha bravo');
    assert.equal(partials.at(-1), text);
    assert.deepEqual(
      partials.filter((partial) => !text.startsWith(partial)),
      [],
      'nothing that was said is taken back',
    );
  });

  test('may come in chunks of any size', async () => {
    const sound = pcm(speech(6), hush(2), speech(2));
    for (const bytes of [2, 254, 3_200, 1_000_000]) {
      // Two bytes at a time, it is only the beginning: each is a message of its own.
      const part = bytes === 2 ? pcm(speech(1)) : sound;
      assert.equal((await streamed(chunked(part, bytes))).text, bytes === 2 ? said(1) : said(8), `chunks of ${bytes}`);
    }
  });

  test('that ends before it began is an empty text', async () => {
    const { text, segments, duration } = await streamed(chunked(Buffer.alloc(0)));
    assert.deepEqual([text, segments, duration], ['', [], 0]);
  });

  test('of half a sample is refused, and the model goes on', async () => {
    await assert.rejects(streamed(chunked(Buffer.alloc(3))), {
      code: 'INPUT_INVALID',
      message: /whole 16-bit samples/,
    });
    assert.equal((await streamed(chunked(pcm(speech(3))))).text, said(3));
  });

  test('without an input is refused', async () => {
    const job: HostJob = { ...words(''), task: { kind: 'audio_stt', operation: 'stream' } };
    await assert.rejects(rig.host.run(job, ears()).done, {
      code: 'INPUT_INVALID',
      message: /comes as the input of a run/,
    });
  });

  test('is heard by several at a time, each with a text of its own', async () => {
    await using shared = await openRig({ ...engines, pool: { concurrency: 4 } });
    const speakers = [3, 6, 9, 1];
    const runs = speakers.map((count) => shared.host.run(live(chunked(pcm(speech(count)))), ears()).done);
    const texts = (await Promise.all(runs)).map((result) => jsonOf(result).text);
    assert.deepEqual(texts, speakers.map(said));
    assert.equal(shared.host.models().length, 1);
  });

  test('that is cancelled leaves the model ready', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(pcm(tone(0.1)));
    }
    const spoke = Promise.withResolvers<void>();
    const run = rig.host.run(live(endless()), { ...ears(), partial: () => spoke.resolve() });
    await spoke.promise;
    run.cancel('CANCELLED', 'enough');
    await assert.rejects(run.done, { code: 'CANCELLED' });
    assert.equal((await streamed(chunked(pcm(speech(3))))).text, said(3));
  });

  test('leaves the other kinds of jobs alone', async () => {
    const { synthetic } = await import('../../../src/engines/synthetic/descriptor.ts');
    const { syntheticJob } = await import('../../workers/rig.ts');
    await using shared = await openRig({ ...engines, extraEngines: [sherpaStream, synthetic] });
    const spoke = Promise.withResolvers<void>();
    const silence = Promise.withResolvers<void>();
    async function* held(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(pcm(speech(3), hush(1)));
      await silence.promise;
    }
    const stream = shared.host.run(live(held()), { ...ears(), partial: () => spoke.resolve() });
    await spoke.promise;
    for (const kind of ['llm', 'image', 'audio_tts', 'video'] as const) {
      const job = syntheticJob(kind);
      assert.equal(shared.host.verdict(job).kind, 'ready', kind);
      await shared.host.run(job, ears()).done;
    }
    // Its own pool has one place, which it holds.
    assert.equal(shared.host.verdict(words(SOUND)).kind, 'busy');
    silence.resolve();
    assert.equal(jsonOf(await stream.done).text, said(3));
    assert.equal(shared.host.verdict(words(SOUND)).kind, 'ready');
  });
});

test('noise as loud as speech is heard as well', async () => {
  const { text } = await heard(words(dataUrl(wavOf(noise(0.96)))));
  assert.equal(text, said(3));
});
