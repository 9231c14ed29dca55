// sherpa-onnx itself, in engine processes, on voices that hum: a text's length and a speaker's pitch can be measured.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import wavefile from 'wavefile';
import {
  espeakData,
  KOKORO_LEXICON,
  KOKORO_RATE,
  KOKORO_TOKENS,
  kokoroModel,
  kokoroVoices,
} from '../../../fixtures/models/kokoro.ts';
import { type VitsOptions, vitsModel, vitsSamples, vitsTokens } from '../../../fixtures/models/vits.ts';
import { whisperModel } from '../../../fixtures/models/whisper.ts';
import { kokoro, piper } from '../../../src/engines/piper/descriptor.ts';
import { whisperCpp } from '../../../src/engines/whisper-cpp/descriptor.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { ears, isAlive, openRig } from '../../workers/rig.ts';
import { conformance } from '../conformance.ts';
import { dataUrl, type FileSpec, jsonOf, noise, openModels, WITHOUT_FFMPEG, wavOf } from '../speech-rig.ts';

const models = openModels('audio_tts');
const { modelsRoot } = models;
const engines = { extraEngines: [piper, kokoro, whisperCpp], engine: { modelsRoot, gpu: 'cpu' } } as const;
const rig = await openRig(engines);
after(() => rig[Symbol.asyncDispose]());

const filesOf = (options: VitsOptions = {}): FileSpec[] => [
  { role: 'model', filename: 'voice.onnx', content: vitsModel(options) },
  { role: 'tokens', filename: 'tokens.txt', content: vitsTokens() },
];
const say = await models.add('piper', 'hum', [
  ...filesOf({ speakers: 3 }),
  { role: 'config', filename: 'voice.onnx.json', content: '{"speaker_id_map":{"Ann":0,"bob":2}}' },
]);
/** A sentence takes it some tens of milliseconds. */
const sayLong = await models.add('piper', 'slow', filesOf({ products: 60, sampleRate: 22_050 }));
const data = Object.entries(espeakData());
const sayChinese = await models.add('kokoro', 'kokoro', [
  { role: 'model', filename: 'kokoro.onnx', content: kokoroModel() },
  { role: 'voices', filename: 'voices.bin', content: kokoroVoices() },
  { role: 'tokens', filename: 'tokens.txt', content: KOKORO_TOKENS },
  { role: 'lexicon', filename: 'lexicon-zh.txt', content: KOKORO_LEXICON },
  ...data.map(([filename, content]) => ({ role: 'data-dir', filename, content })),
  { role: 'data-dir/lang/gmw', filename: 'en-US', content: 'name English' },
]);

async function bytesOf(job: HostJob, { host } = rig) {
  const heard = ears();
  const result = await host.run(job, heard).done;
  assert.ok(result.kind === 'bytes');
  return { ext: result.ext, file: Buffer.concat(heard.chunks), heard };
}

async function spoken(job: HostJob) {
  const { ext, file } = await bytesOf(job);
  assert.equal(ext, 'wav');
  const wav = new wavefile.WaveFile(file);
  const { numChannels, sampleRate, bitsPerSample } = wav.fmt as Record<string, number>;
  const samples = wav.getSamples(false, Int16Array) as unknown as Int16Array;
  const rising = samples.filter((sample, i) => i > 0 && (samples[i - 1] ?? 0) < 0 && sample >= 0).length;
  const hertz = (rising * (sampleRate ?? 0)) / samples.length;
  return { format: [numChannels, sampleRate, bitsPerSample], length: samples.length, hertz, samples };
}

const LONG = Array.from({ length: 40 }, (_, i) => `This is sentence number ${i}.`).join(' ');

/** The same outermost fields, with nothing sensible inside of the largest. */
function brokenGraph(file: Buffer): Buffer {
  const broken = Buffer.from(file);
  const graph = broken.indexOf('Squeeze');
  broken.fill(0xff, graph - 20, graph + 20);
  return broken;
}

conformance({
  title: 'piper',
  extraEngines: engines.extraEngines,
  settings: engines.engine,
  jobs: [say('Hello.'), sayChinese('你好。')],
  slowJob: sayLong(LONG),
  wrongJob: say('Hello.', { voice: 'nobody' }),
});

describe('speech', () => {
  test('is a 16-bit mono WAV file of the voice’s own rate, as long as its text', async () => {
    const { format, length, hertz, samples } = await spoken(say('Hello there.'));
    assert.deepEqual([format, length], [[1, 16_000, 16], vitsSamples('Hello there.')]);
    assert.ok(Math.abs(hertz - 220) < 6, String(hertz));
    // The voice hums at 0.4 of full scale.
    assert.ok(Math.abs(Math.max(...samples) - 0.4 * 32_767) < 40);
    assert.deepEqual((await spoken(sayLong('ok'))).format, [1, 22_050, 16]);
  });

  test('has the speaker that is named, numbered or the first', async () => {
    for (const [voice, hertz] of [
      ['default', 220],
      ['ann', 220],
      ['1', 330],
      ['bob', 440],
      ['2', 440],
    ] as const) {
      const found = (await spoken(say('a long enough text', { voice }))).hertz;
      assert.ok(Math.abs(found - hertz) < 6, `${voice}: ${found}`);
    }
  });

  test('of an unknown voice is refused, and the known ones are listed', async () => {
    for (const voice of ['nobody', '3', '-1', '1.5']) {
      await assert.rejects(bytesOf(say('Hello.', { voice })), {
        code: 'INPUT_INVALID',
        message: `the model has no voice \`${voice}\`; it has: default, Ann, bob, 0 to 2`,
      });
    }
    await assert.rejects(bytesOf(sayChinese('你好', { voice: 'x' })), { message: /it has: default, af_low, af_high$/ });
  });

  test('is as fast as asked, within bounds', async () => {
    assert.equal((await spoken(say('Hello', { speed: 2 }))).length, vitsSamples('Hello', 2));
    assert.equal((await spoken(say('Hello', { speed: 0.5 }))).length, vitsSamples('Hello', 0.5));
    for (const speed of [0, -1, 0.2, 5]) {
      await assert.rejects(bytesOf(say('Hello', { speed })), { code: 'INPUT_INVALID', message: /0\.25 to 4/ });
    }
  });

  test('of a long text is made sentence by sentence, with progress for each', async () => {
    const text = 'One. Two is longer! Is it three? "Dr. Four".';
    const pieces = ['One.', 'Two is longer!', 'Is it three?', '"Dr. Four".'];
    const { heard } = await bytesOf(say(text));
    assert.deepEqual(
      heard.progressed.map((each) => each),
      pieces.map((_, i) => ({ ratio: (i + 1) / 4, step: i + 1, steps: 4 })),
    );
    const { length } = await spoken(say(pieces.slice(0, 3).join(' ')));
    assert.equal(
      length,
      pieces.slice(0, 3).reduce((sum, piece) => sum + vitsSamples(piece), 0),
    );
  });

  test('of nothing, or of nothing that the voice knows, is refused and the voice lives on', async () => {
    for (const text of ['', '  \n ', '...', '!?', '漢字']) {
      await assert.rejects(bytesOf(say(text)), { code: 'INPUT_INVALID', retryable: false }, JSON.stringify(text));
    }
    await assert.rejects(bytesOf(say('a'.repeat(30_001))), { code: 'INPUT_INVALID', message: /30001 characters/ });
    const { length } = await spoken(say('漢字。\nHello.'));
    assert.equal(length, vitsSamples('Hello.'));
  });

  test('of a Kokoro model has its named voices', async () => {
    const low = await spoken(sayChinese('你好你好。', { voice: 'af_low' }));
    const high = await spoken(sayChinese('你好你好。', { voice: 'AF_high' }));
    assert.equal(low.format[1], KOKORO_RATE);
    assert.ok(Math.abs(low.hertz - 220) < 8 && Math.abs(high.hertz - 440) < 8, `${low.hertz} ${high.hertz}`);
  });

  test('in another format is encoded with ffmpeg', { skip: WITHOUT_FFMPEG }, async () => {
    for (const [ext, magic] of [
      ['mp3', /^(ID3|\xff[\xf2\xf3\xfa\xfb])/],
      ['opus', /^OggS/],
      ['ogg', /^OggS/],
      ['FLAC', /^fLaC/],
    ] as const) {
      const { ext: found, file } = await bytesOf(say('Hello there, this is a sentence.', { ext }));
      assert.equal(found, ext.toLowerCase());
      assert.match(file.toString('latin1', 0, 4), magic);
      const { stdout } = spawnSync('ffmpeg', ['-v', 'error', '-i', 'pipe:0', '-f', 's16le', '-ar', '16000', 'pipe:1'], {
        input: file,
      });
      const expected = vitsSamples('Hello there, this is a sentence.');
      assert.ok(Math.abs(stdout.length / 2 - expected) < 2_500, `${ext}: ${stdout.length / 2} of ${expected}`);
    }
  });

  test('in an unknown format is refused', async () => {
    for (const ext of ['aiff', 'wave', '../x']) {
      await assert.rejects(bytesOf(say('Hello', { ext })), { code: 'INPUT_INVALID', message: /choose wav, mp3, opus/ });
    }
  });
});

describe('a voice', () => {
  const whole = vitsModel();
  const [model, tokens] = filesOf();
  assert.ok(model && tokens);
  const withModel = (content: Uint8Array): FileSpec[] => [{ ...model, content }, tokens];
  const withTokens = (content: string): FileSpec[] => [model, { ...tokens, content }];
  const cases: [why: string, files: FileSpec[], code: string, message: RegExp][] = [
    ['cut short', withModel(whole.subarray(0, 700)), 'MODEL_INVALID', /cut short/],
    ['of junk', withModel(Buffer.alloc(3000, 'x')), 'MODEL_INVALID', /no ONNX file/],
    ['with a broken graph', withModel(brokenGraph(whole)), 'MODEL_INVALID', /cannot load|no ONNX/],
    [
      'without metadata',
      withModel(vitsModel({ without: ['comment', 'sample_rate'] })),
      'MODEL_INVALID',
      /sample_rate, comment/,
    ],
    [
      'with a rate of nothing',
      withModel(vitsModel({ metadata: { sample_rate: 'x' } })),
      'MODEL_INVALID',
      /sample_rate is no/,
    ],
    ['without tokens', [model], 'MODEL_SOURCE_MISSING', /role `tokens`/],
    ['without a model', [tokens], 'MODEL_SOURCE_MISSING', /role `model`/],
    ['without a front end', withModel(vitsModel({ metadata: { frontend: '' } })), 'MODEL_SOURCE_MISSING', /`lexicon`/],
    [
      'of Piper without its data',
      withModel(vitsModel({ metadata: { frontend: '', comment: 'piper' } })),
      'MODEL_SOURCE_MISSING',
      /`data-dir`/,
    ],
    [
      'with half of its data',
      [...filesOf(), { role: 'data-dir', filename: 'phontab', content: 'x' }],
      'MODEL_SOURCE_MISSING',
      /lacks `phonindex`/,
    ],
    ['with a repeated token', withTokens('a 1\nb 2\na 3\n'), 'MODEL_INVALID', /line 3 .* repeats/],
    ['with a token of many characters', withTokens('a 1\nabc 2\n'), 'MODEL_INVALID', /line 2 .* more than one/],
    ['with tokens that are none', withTokens('a b c\n'), 'MODEL_INVALID', /line 1/],
  ];
  for (const [i, [why, files, code, message]] of cases.entries()) {
    test(`${why} is refused before it can end the process`, async () => {
      const broken = await models.add('piper', `broken-${i}`, files);
      await assert.rejects(bytesOf(broken('Hello.')), { code, message, retryable: false });
    });
  }

  test('whose tokens hold a space of another kind is taken', async () => {
    const wide = await models.add('piper', 'wide', withTokens(`${vitsTokens()}\u3000 90\n\u00a0 91\n`));
    assert.equal((await spoken(wide('Hello.'))).length, vitsSamples('Hello.'));
  });

  test('of Kokoro whose styles do not fit is refused', async () => {
    const files: FileSpec[] = [
      { role: 'model', filename: 'k.onnx', content: kokoroModel() },
      { role: 'voices', filename: 'v.bin', content: kokoroVoices().subarray(4) },
      { role: 'tokens', filename: 't.txt', content: KOKORO_TOKENS },
      ...data.map(([filename, content]) => ({ role: 'data-dir', filename, content })),
    ];
    const broken = await models.add('kokoro', 'broken-kokoro', files);
    await assert.rejects(bytesOf(broken('你好')), { code: 'MODEL_INVALID', message: /voices file has 2044 bytes/ });
  });
});

test('a cancelled text stops after the sentence, and the same process speaks the next', async () => {
  const heard = ears();
  const run = rig.host.run(sayLong(LONG), heard);
  await heard.started;
  const pid = rig.host.models().find(({ model }) => model === 'slow')?.pid;
  run.cancel('CANCELLED', 'test');
  await assert.rejects(run.done, { code: 'CANCELLED' });
  assert.ok(heard.progressed.length < 40);
  await bytesOf(sayLong('Hello.'));
  assert.equal(rig.host.models().find(({ model }) => model === 'slow')?.pid, pid);
});

test('speech is heard and spoken at once, and the abort of one engine leaves the other', async () => {
  const content = whisperModel({ speech: [' Good', { text: ' morning', at: 2 }] });
  const files = [{ role: 'model', filename: 'tiny.bin', content }];
  const hear = await models.add('whisper-cpp', 'tiny', files, 'audio_stt');
  await using both = await openRig(engines);
  const [speaking, hearing] = [ears(), ears()];
  const long = both.host.run(sayLong(LONG), speaking);
  const heard = both.host.run(hear(dataUrl(wavOf(noise(3)))), hearing);
  assert.equal(jsonOf(await heard.done).text, 'Good morning');
  await speaking.started;
  const { pid = 0 } = both.host.models().find(({ model }) => model === 'slow') ?? {};
  process.kill(pid, 'SIGABRT');
  await assert.rejects(long.done, { code: 'ENGINE_CRASHED', retryable: true });
  assert.equal(jsonOf(await both.host.run(hear(dataUrl(wavOf(noise(3)))), ears()).done).text, 'Good morning');
  assert.equal(isAlive(pid), false);
  assert.equal((await bytesOf(sayLong('Hello.'), both)).ext, 'wav');
});
