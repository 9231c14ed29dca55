// What whisper-cpp takes as sound and as a model, and what it refuses, with real engine processes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { parakeetModel } from '../../../fixtures/models/parakeet.ts';
import { whisperModel } from '../../../fixtures/models/whisper.ts';
import { vadModel } from '../../../fixtures/models/whisper-vad.ts';
import { whisperCpp } from '../../../src/engines/whisper-cpp/descriptor.ts';
import { ears, openRig } from '../../workers/rig.ts';
import {
  dataUrl,
  HAS_FFMPEG,
  jsonOf,
  noise,
  openModels,
  type WavOptions,
  WITHOUT_FFMPEG,
  wavOf,
} from '../speech-rig.ts';

const models = openModels('audio_stt');
const engines = { extraEngines: [whisperCpp], engine: { modelsRoot: models.modelsRoot, gpu: 'cpu' } } as const;
const scripted = whisperModel({ speech: [' Good', { text: ' morning', at: 2 }] });
const job = await models.add('whisper-cpp', 'tiny', [{ role: 'model', filename: 'tiny.bin', content: scripted }]);

const rig = await openRig(engines);
after(() => rig[Symbol.asyncDispose]());

async function hear(url: string) {
  const { text, duration } = jsonOf(await rig.host.run(job(url), ears()).done);
  return { text, duration };
}

describe('a WAV file', () => {
  const variants: WavOptions[] = [
    { depth: '8', sampleRate: 8_000 },
    { depth: '16', sampleRate: 44_100, channels: 2 },
    { depth: '24', sampleRate: 48_000 },
    { depth: '32', sampleRate: 11_025, channels: 6 },
    { depth: '32f', sampleRate: 22_050, channels: 2 },
    { depth: '64', sampleRate: 96_000 },
  ];
  test('of any depth, rate and number of channels is heard', async () => {
    for (const variant of variants) {
      const wav = wavOf(noise(2.5, variant.sampleRate), variant);
      assert.deepEqual(await hear(dataUrl(wav)), { text: 'Good morning', duration: 2.5 }, JSON.stringify(variant));
    }
  });

  test('of less than a tenth of a second is heard too', async () => {
    assert.equal((await hear(dataUrl(wavOf(noise(0.05))))).duration, 0.05);
  });

  test('without samples, and what is no sound, are refused for good', async () => {
    const empty = dataUrl(wavOf(new Float32Array(0)));
    await assert.rejects(hear(empty), { code: 'INPUT_INVALID', message: /audio is empty/ });
    const cut = wavOf(noise(1)).subarray(0, 30);
    for (const junk of [
      cut,
      Buffer.from('RIFFxxxxWAVE and then a story'),
      Buffer.from('hello, this is no sound at all'),
    ]) {
      await assert.rejects(hear(dataUrl(junk)), {
        code: HAS_FFMPEG ? 'INPUT_INVALID' : 'ENGINE_UNAVAILABLE',
        retryable: false,
      });
    }
    // The model has survived all of it.
    assert.equal((await hear(dataUrl(wavOf(noise(3))))).text, 'Good morning');
  });
});

describe('other formats', { skip: WITHOUT_FFMPEG }, () => {
  const encode = (args: string[]) => {
    const { stdout, status, stderr } = spawnSync(
      'ffmpeg',
      ['-v', 'error', '-f', 'wav', '-i', 'pipe:0', ...args, 'pipe:1'],
      {
        input: wavOf(noise(3)),
        maxBuffer: 2 ** 24,
      },
    );
    assert.equal(status, 0, String(stderr));
    return stdout;
  };

  test('are decoded through ffmpeg', async () => {
    for (const [mime, args] of [
      ['audio/mpeg', ['-f', 'mp3']],
      ['audio/flac', ['-f', 'flac']],
      ['audio/ogg', ['-f', 'ogg', '-c:a', 'libopus']],
      ['audio/wav', ['-f', 'wav', '-c:a', 'adpcm_ima_wav']],
    ] as const) {
      const { text, duration } = await hear(dataUrl(encode([...args]), mime));
      assert.equal(text, 'Good morning', args.join(' '));
      // Some encoders add silence at the ends.
      assert.ok(Math.abs(Number(duration) - 3) < 0.15, `${args.join(' ')}: ${duration}`);
    }
  });

  test('that name other files are not followed', async () => {
    const playlist = '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n';
    await assert.rejects(hear(dataUrl(Buffer.from(playlist), 'audio/x-mpegurl')), { code: 'INPUT_INVALID' });
  });
});

describe('a model file', () => {
  const spaceless = Buffer.from(scripted);
  // The first word of the vocabulary is the space.
  const words = 4 + 11 * 4 + 2 * 4 + 80 * 201 * 4 + 4;
  spaceless.write('_', words + 4);
  const broken: [why: string, content: Buffer, message: RegExp][] = [
    ['cut short', scripted.subarray(0, scripted.length - 10), /cut short/],
    ['cut in its header', scripted.subarray(0, 40), /cut short/],
    ['of three bytes', Buffer.alloc(3), /cut short/],
    ['of another kind', Buffer.from('GGUF\x03\0\0\0'.padEnd(100, '\0')), /GGUF file/],
    ['of junk', Buffer.alloc(5_000, 'x'), /does not begin like a ggml file/],
    ['with a vocabulary without a space', spaceless, /token for a space/],
    ['of a voice detector', vadModel(), /neither of whisper nor of parakeet/],
    ['of parakeet, cut short', parakeetModel(['▁a']).subarray(0, 9_000), /cut short|cannot be read/],
  ];
  for (const [why, content, message] of broken) {
    test(`${why} is refused before it is loaded`, async () => {
      const made = await models.add('whisper-cpp', `broken-${broken.findIndex(([name]) => name === why)}`, [
        { role: 'model', filename: 'm.bin', content },
      ]);
      await assert.rejects(rig.host.run(made(dataUrl(wavOf(noise(1)))), ears()).done, {
        code: 'MODEL_INVALID',
        retryable: false,
        message,
      });
    });
  }

  test('with an unknown tensor is refused by the library, in its own words', async () => {
    const odd = Buffer.from(scripted);
    odd.write('X', odd.indexOf('encoder.positional_embedding'));
    const made = await models.add('whisper-cpp', 'odd', [{ role: 'model', filename: 'm.bin', content: odd }]);
    await assert.rejects(rig.host.run(made(dataUrl(wavOf(noise(1)))), ears()).done, {
      code: 'MODEL_INVALID',
      message: /cannot load m\.bin: .*unknown tensor 'Xncoder/,
    });
  });

  test('of another role is none', async () => {
    const made = await models.add('whisper-cpp', 'roleless', [{ role: 'vae', filename: 'm.bin', content: scripted }]);
    await assert.rejects(rig.host.run(made(dataUrl(wavOf(noise(1)))), ears()).done, {
      code: 'MODEL_SOURCE_MISSING',
      message: /role `model`/,
    });
  });

  test('for voice activity is looked at as well', async () => {
    const made = await models.add('whisper-cpp', 'bad-vad', [
      { role: 'model', filename: 'm.bin', content: scripted },
      { role: 'vad', filename: 'v.bin', content: vadModel().subarray(0, 70_000) },
    ]);
    await assert.rejects(rig.host.run(made(dataUrl(wavOf(noise(1)))), ears()).done, { code: 'MODEL_INVALID' });
  });
});
