import assert from 'node:assert/strict';
import { test } from 'node:test';
import wavefile from 'wavefile';
import { pcmOf } from '../../../../src/supervisor/api/openai/wav-to-pcm.ts';

function wav(channels: number, rate: number, depth: string, samples: number[] | number[][]): Uint8Array {
  const file = new wavefile.WaveFile();
  file.fromScratch(channels, rate, depth, samples);
  return file.toBuffer();
}
const samplesOf = (pcm: Uint8Array | undefined): number[] => {
  assert.ok(pcm);
  return [...new Int16Array(pcm.buffer, pcm.byteOffset, pcm.byteLength / 2)];
};

test('samples at 24 kHz stay as they are', () => {
  assert.deepEqual(samplesOf(pcmOf(wav(1, 24_000, '16', [1, -2, 32_767, -32_768]))), [1, -2, 32_767, -32_768]);
});

test('other rates are stretched, and two channels become one', () => {
  assert.deepEqual(samplesOf(pcmOf(wav(1, 12_000, '16', [0, 100, 200]))), [0, 50, 100, 150, 200, 200]);
  assert.deepEqual(samplesOf(pcmOf(wav(1, 48_000, '16', [0, 1, 2, 3, 4]))), [0, 2]);
  assert.deepEqual(
    samplesOf(
      pcmOf(
        wav(2, 24_000, '16', [
          [10, 20],
          [30, 40],
        ]),
      ),
    ),
    [20, 30],
  );
});

test('a header that lies about lengths does no harm, and other files are none', () => {
  const cut = Buffer.from(wav(1, 24_000, '16', [5, 6, 7])).subarray(0, -3);
  assert.deepEqual(samplesOf(pcmOf(cut)), [5]);
  const unknown = Buffer.from(wav(1, 24_000, '16', [5, 6]));
  unknown.writeUInt32LE(0xffff_ffff, unknown.indexOf('data') + 4);
  assert.deepEqual(samplesOf(pcmOf(unknown)), [5, 6]);
  assert.equal(pcmOf(wav(1, 24_000, '8', [1, 2])), undefined);
  assert.equal(pcmOf(Buffer.from('ID3 not a wav at all')), undefined);
  assert.equal(pcmOf(new Uint8Array()), undefined);
  assert.deepEqual(samplesOf(pcmOf(wav(1, 24_000, '16', []))), []);
});
