import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SPEECH_RATE } from '../../../src/engines/audio/limits.ts';
import { transcriptOf } from '../../../src/engines/audio/transcript.ts';
import { cudaObstacle, parseCapability } from '../../../src/engines/whisper-cpp/cuda-card.ts';
import { groupsOf } from '../../../src/engines/whisper-cpp/groups.ts';
import { languageCode } from '../../../src/engines/whisper-cpp/languages.ts';
import { gpuInUse, memoryInUse, saysOutOfMemory } from '../../../src/engines/whisper-cpp/native-log.ts';
import { cutQuietly, joinParts, mergeParts, timeInRecording } from '../../../src/engines/whisper-cpp/speech-parts.ts';

const seconds = (ms: number) => ms / 1000;
const segmentsOf = (...texts: string[]) => texts.map((text, i) => ({ text, t0: i * 1000, t1: i * 1000 + 500 }));

describe('a transcript', () => {
  test('mends characters that the library cut in two', () => {
    // A token for each half of a character: neither half is text.
    const native = { result: '日本語 ok', segments: segmentsOf('日', '\uFFFD', '\uFFFD', '語', ' ok') };
    const groups = groupsOf(native, seconds, [5]);
    const { text, segments } = transcriptOf(groups, { language: 'ja', duration: 9, words: true });
    assert.equal(text, '日本語 ok');
    assert.deepEqual(segments[0]?.words, [
      { word: '日', start: 0, end: 0.5 },
      { word: '本', start: 1, end: 2.5 },
      { word: '語', start: 3, end: 3.5 },
      { word: 'ok', start: 4, end: 4.5 },
    ]);
  });

  test('keeps what was cut at its very end', () => {
    const groups = groupsOf({ result: ' a é', segments: segmentsOf(' a', ' \uFFFD', '\uFFFD') }, seconds);
    assert.equal(transcriptOf(groups, { language: 'fr', duration: 9, words: false }).text, 'a é');
  });

  test('joins pieces of a word, drops empty ones, and ends with the recording', () => {
    const native = { result: ' Hel lo, you.', segments: segmentsOf('', ' Hel', 'lo', ',', ' you', '.') };
    const groups = groupsOf(native, seconds, [4, 2]);
    const { segments } = transcriptOf(groups, { language: 'en', duration: 5.25, words: true });
    assert.deepEqual(
      segments.map(({ text, words }) => [text, words?.map(({ word }) => word)]),
      [
        [' Hello,', ['Hello,']],
        [' you.', ['you.']],
      ],
    );
    assert.equal(segments[1]?.end, 5.25);
  });
});

describe('parts of a recording', () => {
  test('that overlap or that a seam has cut are one', () => {
    assert.deepEqual(
      mergeParts([
        { from: 50_000, to: 60_000 },
        { from: 0, to: 16_000 },
        { from: 17_000, to: 20_000 },
        { from: 55_000, to: 58_000 },
        { from: 70_000, to: 70_000 },
      ]),
      [
        { from: 0, to: 20_000 },
        { from: 50_000, to: 60_000 },
      ],
    );
  });

  test('joined tell their own times again', () => {
    const parts = [
      { from: 2 * SPEECH_RATE, to: 4 * SPEECH_RATE },
      { from: 7 * SPEECH_RATE, to: 9 * SPEECH_RATE },
    ];
    const { sound, joined } = joinParts(new Int16Array(10 * SPEECH_RATE).fill(1), parts);
    assert.equal(sound.length, 4.1 * SPEECH_RATE);
    assert.deepEqual(
      [0, 1, 2, 2.05, 2.1, 3, 9].map((at) => timeInRecording(at, joined)),
      [2, 3, 4, 4, 7, 7.9, 9],
    );
  });

  test('are cut where it is quietest, and cover everything', () => {
    const samples = new Int16Array(50 * SPEECH_RATE).fill(1000);
    samples.fill(0, 18 * SPEECH_RATE, 18.5 * SPEECH_RATE);
    const parts = cutQuietly(samples, 20 * SPEECH_RATE);
    assert.ok((parts[0]?.to ?? 0) > 18 * SPEECH_RATE && (parts[0]?.to ?? 0) < 18.5 * SPEECH_RATE);
    assert.deepEqual([parts[0]?.from, parts.at(-1)?.to], [0, samples.length]);
    assert.ok(parts.every(({ from, to }, i) => to - from <= 20 * SPEECH_RATE && from === (parts[i - 1]?.to ?? 0)));
  });
});

test('languages are taken as codes and tags, as far as the model knows them', () => {
  const v2 = { multilingual: true, cantonese: false };
  const english = { multilingual: false, cantonese: false };
  assert.deepEqual(
    [undefined, '', 'auto', 'de', 'pt-BR', 'zh_TW', 'nb', 'EN-us'].map((asked) => languageCode(asked, v2)),
    ['auto', 'auto', 'auto', 'de', 'pt', 'zh', 'no', 'en'],
  );
  assert.deepEqual(
    [undefined, 'auto', 'en-GB'].map((asked) => languageCode(asked, english)),
    ['en', 'en', 'en'],
  );
  assert.equal(languageCode('yue', { ...v2, cantonese: true }), 'yue');
  for (const [asked, support] of [
    ['xx', v2],
    ['yue', v2],
    ['de', english],
  ] as const) {
    assert.throws(() => languageCode(asked, support), { code: 'INPUT_INVALID' });
  }
});

test('the library’s own log tells the device and the memory', () => {
  const lines = [
    'whisper_model_load:        CUDA0 total size =    77.11 MB',
    'whisper_backend_init_gpu: using CUDA0 backend',
    'whisper_backend_init: using BLAS backend',
    'whisper_init_state: kv self size  =    6.29 MB',
    'whisper_init_state: compute buffer (decode) =   97.27 MB',
  ];
  assert.equal(gpuInUse(lines), 'CUDA0');
  assert.equal(memoryInUse(lines), 180_670_000);
  for (const line of [
    'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1.00 MiB on device 0: cudaMalloc failed: out of memory',
    'ggml_vulkan: Device memory allocation of size 1073741824 failed.',
    'ErrorOutOfDeviceMemory',
    'whisper_kv_cache_init: failed to allocate memory for the kv cache',
  ]) {
    assert.ok(saysOutOfMemory(line), line);
  }
  assert.ok(!lines.some(saysOutOfMemory));
  assert.equal(
    gpuInUse(['whisper_backend_init_gpu: no GPU found', 'whisper_backend_init: using BLAS backend']),
    undefined,
  );
});

test('the CUDA build is not used on cards that are older than its code', () => {
  assert.equal(parseCapability('8.6\n'), 8.6);
  assert.equal(parseCapability('12.0\n8.6\n'), 12);
  assert.equal(parseCapability('No devices were found\n'), undefined);
  assert.match(cudaObstacle(8.6, 'linux-x64') ?? '', /capability 8\.9 and later, and this one has 8\.6/);
  assert.match(cudaObstacle(undefined, 'linux-x64') ?? '', /nvidia-smi/);
  for (const [capability, machine] of [
    [8.9, 'linux-x64'],
    [9, 'linux-x64'],
    [8.7, 'linux-arm64'],
    [12, 'win32-x64'],
  ] as const) {
    assert.equal(cudaObstacle(capability, machine), undefined);
  }
});
