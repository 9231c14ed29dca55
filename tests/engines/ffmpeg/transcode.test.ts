// The shared transcoder on real files: what a recogniser hears, what a voice is written as, what a film becomes.
import assert from 'node:assert/strict';
import { access, readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import wavefile from 'wavefile';
import { inspectVideo } from '../../../src/engines/ffmpeg/inspect-video.ts';
import { durationIn } from '../../../src/engines/ffmpeg/progress.ts';
import { AUDIO_EXTS, encodeAudio, toMp4, toWav16kMono } from '../../../src/engines/ffmpeg/transcode.ts';
import { toFailure } from '../../../src/protocol/failure.ts';
import { tempDir } from '../../supervisor/temp-dir.ts';
import { noFfmpeg } from './have-ffmpeg.ts';
import { context, ffprobe, make } from './media.ts';

describe('sound for a recogniser', { skip: noFfmpeg }, () => {
  for (const [ext, args] of [
    ['wav', '-ar 44100 -ac 2 -c:a pcm_f32le'],
    ['mp3', '-ar 22050'],
    ['ogg', '-c:a libvorbis'],
    ['opus', '-c:a libopus'],
    ['flac', '-ar 96000'],
    ['m4a', '-c:a aac'],
    ['mkv', '-c:a aac'],
  ] as const) {
    test(`from ${ext} is 16 kHz, mono, 16 bits, and sounds the same`, async () => {
      await using dir = await tempDir();
      const [input, output] = [dir.file(`in.${ext}`), dir.file('out.wav')];
      await make(`-f lavfi -i sine=frequency=440:duration=1 ${args}`, input);
      await toWav16kMono(input, output, context());
      const wav = new wavefile.WaveFile(await readFile(output));
      const { numChannels, sampleRate, bitsPerSample } = wav.fmt as Record<string, number>;
      assert.deepEqual([numChannels, sampleRate, bitsPerSample], [1, 16_000, 16]);
      const samples = wav.getSamples(false, Int16Array) as unknown as Int16Array;
      assert.ok(Math.abs(samples.length - 16_000) <= 1_200, `${samples.length}`);
      // Rising zero crossings a second; an encoder adds some at its ends.
      const rising = samples.filter((sample, i) => i > 0 && (samples[i - 1] ?? 0) < 0 && sample >= 0).length;
      assert.ok(Math.abs((rising * 16_000) / samples.length - 440) <= 12, `${rising}`);
    });
  }

  test('is refused when there is none, and when a file only names other files', async () => {
    await using dir = await tempDir();
    const real = dir.file('real.mp3');
    await make('-f lavfi -i sine=duration=0.2', real);
    const put = async (name: string, content: string) => {
      await writeFile(dir.file(name), content);
      return dir.file(name);
    };
    const silent = dir.file('silent.avi');
    await make('-f lavfi -i testsrc=duration=0.2:size=32x32', silent);
    for (const [path, message] of [
      [await put('empty', ''), /the audio is an empty file/],
      [await put('text', 'this is no sound'), /Invalid data/],
      [await put('cut.mp3', ''), /empty/],
      [silent, /matches no streams/],
      [
        await put('list.m3u8', `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${real}\n#EXT-X-ENDLIST\n`),
        /a format that is not read/,
      ],
      [await put('list.ffconcat', `ffconcat version 1.0\nfile ${real}\n`), /a format that is not read/],
      [await put('net.m3u8', '#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.mp3\n'), /not read|Invalid data/],
    ] as const) {
      const end = toWav16kMono(path, dir.file('out.wav'), context());
      await assert.rejects(end, { code: 'INPUT_INVALID', retryable: false, message });
    }
    await assert.rejects(access(dir.file('192.0.2.1')));
  });

  test('that is too long is refused and not cut, and its length gives progress', async () => {
    await using dir = await tempDir();
    const [input, output] = [dir.file('in.flac'), dir.file('out.wav')];
    await make('-f lavfi -i sine=duration=5', input);
    const ratios: number[] = [];
    await toWav16kMono(input, output, { ...context(), progress: (ratio) => ratios.push(ratio), secondsMax: 5 });
    assert.ok(ratios.length >= 2 && ratios.every((ratio) => ratio > 0 && ratio <= 1), `${ratios}`);
    const end = toWav16kMono(input, output, { ...context(), secondsMax: 4 });
    await assert.rejects(end, { code: 'INPUT_INVALID', message: /longer than 4 s/ });
    assert.equal(durationIn('[info]   Duration: 01:02:03.50, start: 0.000000, bitrate: 9 kb/s'), 3723.5);
    assert.equal(durationIn('  Duration: N/A, start: 0'), undefined);
  });

  test('a file whose name begins like an option, or like an address, is only a file', async () => {
    await using dir = await tempDir();
    for (const name of ['-y.mp3', 'http:x.mp3', 'a b;$(c).mp3']) {
      await make('-f lavfi -i sine=duration=0.2', dir.file(name));
      await toWav16kMono(dir.file(name), dir.file('out.wav'), context());
    }
  });
});

describe('a voice', { skip: noFfmpeg }, () => {
  for (const [ext, codec] of [
    ['wav', 'pcm_s16le'],
    ['mp3', 'mp3'],
    ['opus', 'opus'],
    ['ogg', 'opus'],
    ['flac', 'flac'],
    ['m4a', 'aac'],
    ['aac', 'aac'],
  ] as const) {
    test(`is written as ${ext}`, async () => {
      await using dir = await tempDir();
      const [wav, output] = [dir.file('in.wav'), dir.file(`out.${ext}`)];
      await make('-f lavfi -i sine=duration=1:sample_rate=22050', wav);
      const ratios: number[] = [];
      await encodeAudio(wav, ext, output, { ...context(), seconds: 1, progress: (ratio) => ratios.push(ratio) });
      const { stream, format } = await ffprobe(output);
      assert.equal(stream.codec_name, codec);
      if (ext !== 'aac') assert.ok(Math.abs(Number(format.duration) - 1) < 0.1, format.duration);
      assert.equal(ratios.at(-1), 1);
      assert.ok(ratios.every((ratio) => ratio >= 0 && ratio <= 1));
    });
  }

  test('is not written as anything else', async () => {
    assert.deepEqual(AUDIO_EXTS, ['wav', 'mp3', 'opus', 'ogg', 'flac', 'm4a', 'aac']);
    for (const ext of ['wma', '', 'MP3', 'toString']) {
      const end = encodeAudio('in.wav', ext, 'out', context());
      await assert.rejects(end, { code: 'INPUT_INVALID', message: /there are: wav, mp3, opus/ });
    }
  });
});

describe('a film', { skip: noFfmpeg }, () => {
  test('becomes mp4, frame for frame, with even sides', async () => {
    await using dir = await tempDir();
    const [avi, mp4] = [dir.file('in.avi'), dir.file('out.mp4')];
    await make('-f lavfi -i testsrc=duration=1:size=61x41:rate=8 -c:v mjpeg', avi);
    await toMp4(avi, mp4, { ...context(), frames: 8 });
    const { stream, format } = await ffprobe(mp4);
    assert.deepEqual([stream.codec_name, stream.width, stream.height, stream.avg_frame_rate], ['h264', 62, 42, '8/1']);
    assert.equal(Number(format.duration), 1);
    assert.deepEqual(await inspectVideo(mp4, context()), { width: 62, height: 42, frames: 8, seconds: 1 });
  });

  test('that breaks off, is empty or is none does not count', async () => {
    await using dir = await tempDir();
    const whole = dir.file('whole.mp4');
    await make('-f lavfi -i testsrc=duration=1:size=64x64:rate=8 -movflags +faststart', whole);
    const bytes = await readFile(whole);
    for (const [name, content, message] of [
      ['cut.mp4', bytes.subarray(0, bytes.length - 1500), /reading back the video/],
      ['empty.mp4', Buffer.alloc(0), /empty file/],
      ['text.mp4', Buffer.from('no film'), /reading back the video/],
    ] as const) {
      await writeFile(dir.file(name), content);
      await assert.rejects(inspectVideo(dir.file(name), context()), { code: 'ENGINE_FAILED', message });
    }
  });

  test('is given up when the job is cancelled', async () => {
    await using dir = await tempDir();
    const avi = dir.file('in.avi');
    await make('-f lavfi -i testsrc=duration=20:size=320x240:rate=24 -c:v mjpeg', avi);
    const controller = new AbortController();
    const run = toMp4(avi, dir.file('out.mp4'), {
      ...context({ signal: controller.signal }),
      frames: 480,
      progress: () => controller.abort(toFailure({ code: 'CANCELLED', message: 'enough' }, 'INTERNAL')),
    });
    await assert.rejects(run, { code: 'CANCELLED' });
  });
});
