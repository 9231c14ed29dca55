// Reading sound: rates, the limits, and what is not ours to read.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isWav, readWav } from '../../../src/engines/audio/read-wav.ts';
import { resample, toInt16 } from '../../../src/engines/audio/resample.ts';
import { speechSamples } from '../../../src/engines/audio/speech-samples.ts';
import { wavOf } from '../speech-rig.ts';

function tone(hertz: number, sampleRate: number, seconds = 0.5): Float32Array {
  return Float32Array.from(
    { length: seconds * sampleRate },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / sampleRate),
  );
}

function loudness(samples: Float32Array): number {
  const inner = samples.subarray(200, samples.length - 200);
  return Math.sqrt(inner.reduce((sum, each) => sum + each * each, 0) / inner.length);
}

describe('resampling', () => {
  test('keeps a tone as it is, from below and from above', async () => {
    for (const from of [8_000, 11_025, 22_050, 44_100, 48_000, 96_000]) {
      const out = await resample(tone(1_000, from), from, 16_000);
      assert.ok(Math.abs(out.length - 8_000) <= 1, `${from}: ${out.length}`);
      const wanted = tone(1_000, 16_000);
      const worst = Math.max(...out.subarray(200, 7_700).map((each, i) => Math.abs(each - (wanted[i + 200] ?? 0))));
      assert.ok(worst < 0.01, `${from}: off by ${worst}`);
    }
  });

  test('removes what the new rate cannot hold', async () => {
    assert.ok(loudness(await resample(tone(12_000, 48_000), 48_000, 16_000)) < 0.002);
    assert.ok(loudness(await resample(tone(2_000, 48_000), 48_000, 16_000)) > 0.34);
  });

  test('stops when it is told to', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    await assert.rejects(resample(new Float32Array(200_000), 48_000, 16_000, controller.signal), /enough/);
  });
});

test('samples louder than full scale are cut and not wrapped', () => {
  assert.deepEqual([...toInt16(Float32Array.of(0, 1, 2, -1, -3))], [0, 32_767, 32_767, -32_767, -32_768]);
});

test('every depth is read to the same samples, and channels are mixed', () => {
  const samples = tone(440, 16_000, 0.05);
  for (const depth of ['8', '16', '24', '32', '32f', '64'] as const) {
    const sound = readWav(wavOf(samples, { depth, channels: 2, sampleRate: 44_100 }));
    assert.equal(sound?.sampleRate, 44_100);
    const worst = Math.max(...(sound?.samples ?? []).map((each, i) => Math.abs(each - (samples[i] ?? 0))));
    assert.ok(worst < (depth === '8' ? 0.01 : 0.0001), `${depth}: off by ${worst}`);
  }
});

test('what only looks like a WAV file is not ours', () => {
  const wav = wavOf(tone(440, 16_000, 0.05));
  assert.equal(isWav(Buffer.from('RIFF....WEBP')), false);
  for (const [at, value] of [
    [20, 0x11],
    [22, 0],
    [24, 3],
    [32, 7],
  ] as const) {
    const odd = Buffer.from(wav);
    odd.writeUInt16LE(value, at);
    if (at === 24) odd.writeUInt16LE(0, 26);
    assert.equal(readWav(odd), undefined, `field at ${at}`);
  }
});

test('a recording longer than the limit is refused before any work', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'audio-test-'));
  try {
    // Three hours and a second at the lowest rate that is read: a header of ours, and nothing after it.
    const long = join(dir, 'long.wav');
    const header = wavOf(new Float32Array(2), { depth: '8', sampleRate: 1_000 }).subarray(0, 44);
    const samples = (3 * 3600 + 1) * 1_000;
    header.writeUInt32LE(36 + samples, 4);
    header.writeUInt32LE(samples, 40);
    await writeFile(long, Buffer.concat([header, Buffer.alloc(samples)]));
    const settings = { modelsRoot: dir, cpuThreads: 1 };
    const options = { signal: new AbortController().signal, scratchDir: dir, settings };
    await assert.rejects(speechSamples(long, options), { code: 'INPUT_INVALID', message: /longer than 10800 s/ });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
