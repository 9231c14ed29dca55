// What the binaries print, read back: transcripts of observed runs, cut anywhere, and what the ends of runs mean.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endFailure, lastWords, sideFileFailure, wordsFailure } from '../../../src/engines/sd-cpp/errors.ts';
import { openOutputLog } from '../../../src/engines/sd-cpp/output-log.ts';
import { type OutputEvent, openOutputParser } from '../../../src/engines/sd-cpp/output-parser.ts';
import { openRunProgress } from '../../../src/engines/sd-cpp/run-progress.ts';

const bar = (cells: string, count: string, speed: string) => `\r  |${cells.padEnd(50)}| ${count} - ${speed}\u001b[K`;
const info = (text: string) => `[INFO ] stable-diffusion.cpp:3141 - ${text}\n`;

const IMAGE = [
  info('generate_image 72x64'),
  `${bar('#'.repeat(15), '58/196', '111.54MB/s')}${bar('#'.repeat(50), '196/196', '1.20GB/s')}\n`,
  info('get_learned_condition completed, taking 0.12s'),
  info('generating image: 1/1 - seed 7'),
  // The first step loads the weights of the model, in the midst of sampling.
  `${bar('#'.repeat(50), '44/44', '90.00MB/s')}\n`,
  bar('============>', '1/4', '4.51it/s'),
  bar('=========================>', '2/4', '1.71s/it'),
  `${bar('='.repeat(50), '4/4', '65.29it/s')}\n`,
  info('sampling completed, taking 0.30s'),
  info('decoding 1 latents'),
  // Tiles of the VAE look like steps.
  `${bar('============>', '8/9', '28.57it/s')}${bar('='.repeat(50), '9/9', '28.57it/s')}\n`,
  info('latent 1 decoded, taking 0.05s'),
  info('decode_first_stage completed, taking 0.05s'),
  info('generate_image completed in 0.52s'),
].join('');

const steps = (events: readonly OutputEvent[]) =>
  events.flatMap((event) => (event.kind === 'step' ? [[event.step, event.steps, event.pass]] : []));

function parse(text: string, cut = text.length): OutputEvent[] {
  const parser = openOutputParser();
  const events: OutputEvent[] = [];
  for (let at = 0; at < text.length; at += cut) events.push(...parser.push(text.slice(at, at + cut)));
  return [...events, ...parser.end()];
}

describe('the output of a run', () => {
  test('gives steps only while it samples', () => {
    const events = parse(IMAGE);
    assert.deepEqual(steps(events), [
      [1, 4, 0],
      [2, 4, 0],
      [4, 4, 0],
    ]);
    const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== 'line');
    const expected = ['begun', 'weights', 'weights', 'weights', 'step', 'step', 'step', 'decoding', 'ended'];
    assert.deepEqual(kinds, expected);
    assert.deepEqual(
      events.find(({ kind }) => kind === 'begun'),
      { kind: 'begun', width: 72, height: 64 },
    );
  });

  test('means the same wherever it is cut', () => {
    const whole = parse(IMAGE);
    for (const cut of [1, 2, 7, 64]) assert.deepEqual(parse(IMAGE, cut), whole);
  });

  test('is heard at once, though a bar has no line end', () => {
    const parser = openOutputParser();
    parser.push(info('generate_image 64x64') + info('generating image: 1/1 - seed 7'));
    const one = parser.push(bar('==>', '1/4', '4.51it/s'));
    assert.deepEqual(steps(one), [[1, 4, 0]]);
    assert.deepEqual(parser.push(bar('=====>', '2/4', '4.51it/s')), [{ kind: 'step', step: 2, steps: 4, pass: 0 }]);
  });

  test('of a video with two experts counts two passes', () => {
    const pass = `${bar('====>', '1/2', '3.00s/it')}${bar('='.repeat(50), '2/2', '3.00s/it')}\n`;
    const text =
      info('generate_video 64x64x5') +
      pass +
      info('sampling(high noise) completed, taking 6s') +
      pass +
      info('sampling completed, taking 12s') +
      info('decoding 1 latents') +
      info('generate_video completed in 13s');
    const events = parse(text);
    assert.deepEqual(steps(events), [
      [1, 2, 0],
      [2, 2, 0],
      [1, 2, 1],
      [2, 2, 1],
    ]);
    const progress = openRunProgress(2);
    const ratios = events.flatMap((event) => progress(event)?.ratio ?? []);
    assert.deepEqual(ratios, [0, 0.225, 0.45, 0.675, 0.9, 0.92, 0.97]);
  });

  test('of a picture from a picture has fewer steps, and its progress only rises', () => {
    const tiles = bar('============>', '1/9', '28.57it/s');
    const text =
      info('generate_image 64x64') +
      info('IMG2IMG') +
      info('target t_enc is 2 steps') +
      tiles +
      info('encode_first_stage completed, taking 0.1s') +
      info('generating image: 1/1 - seed 7') +
      bar('=>', '1/3', '4.51it/s') +
      bar('='.repeat(50), '3/3', '4.51it/s');
    assert.deepEqual(steps(parse(text)), [
      [1, 3, 0],
      [3, 3, 0],
    ]);
  });

  test('goes to the log in levels, without bars, and not without end', () => {
    const logged: string[] = [];
    const output = openOutputLog((level, text) => logged.push(`${level} ${text}`));
    const events: OutputEvent[] = [];
    const push = (stream: 'stdout' | 'stderr', text: string) =>
      output.push(stream, text, (event) => events.push(event));
    push('stdout', IMAGE);
    push('stdout', "[WARN ] model.cpp:280  - loading vae from '/m/v' failed\n");
    push('stderr', '[ERROR] model.cpp:1   - no\nGGML_ASSERT(x) failed\n');
    assert.equal(steps(events).length, 3);
    assert.equal(logged[0], 'info generate_image 72x64');
    assert.deepEqual(logged.slice(-3), [
      "warn loading vae from '/m/v' failed",
      'error no',
      'warn GGML_ASSERT(x) failed',
    ]);
    assert.ok(!logged.some((line) => line.includes('it/s')));
    assert.deepEqual(output.lines, ["loading vae from '/m/v' failed", 'no', 'GGML_ASSERT(x) failed']);
    push('stderr', 'again\n'.repeat(5000));
    assert.equal(logged.length, 400);
    assert.equal(output.lines.length, 40);
    // The first lines name the cause.
    assert.equal(output.lines[0], "loading vae from '/m/v' failed");
  });
});

test('the log of a server begins anew with each generation', () => {
  const logged: string[] = [];
  const output = openOutputLog((_level, text) => logged.push(text), { forgetful: true });
  const push = (text: string) => output.push('stdout', text, () => {});
  push('[WARN ] a.cpp:1 - loading vae failed\n'.repeat(500));
  assert.equal(logged.length, 400);
  push(info('generate_image 64x64') + info('generating image: 1/1 - seed 7'));
  assert.deepEqual([logged.at(-1), output.lines], ['generating image: 1/1 - seed 7', []]);
});

describe('the end of a run', () => {
  const exited = (code: number) => ({ code, signal: null });
  const died = (signal: NodeJS.Signals) => ({ code: null, signal });
  for (const [title, exit, lines, code, message] of [
    [
      'unknown flag',
      exited(1),
      ['error: unknown argument: --new'],
      'ENGINE_UNAVAILABLE',
      /unknown argument: --new.*newer/,
    ],
    ['missing picture', exited(1), ["load image from '/s/i.png' failed"], 'INPUT_INVALID', /'i\.png'/],
    [
      'missing model',
      exited(1),
      ['file /m/x.gguf not found', "get sd version from file failed: ''"],
      'MODEL_SOURCE_MISSING',
      /file x\.gguf not found/,
    ],
    [
      'no model',
      exited(1),
      ['unknown format /m/x.gguf', "get sd version from file failed: '/m/x.gguf'"],
      'MODEL_INVALID',
      /damaged/,
    ],
    [
      'cut safetensors',
      exited(1),
      ["data offsets out of bounds for tensor 'a'", 'new_sd_ctx_t failed'],
      'MODEL_INVALID',
      /damaged/,
    ],
    ['broken GGUF', exited(1), ['gguf_init_from_reader: bad magic'], 'MODEL_INVALID', /bad magic/],
    [
      'tensors',
      exited(1),
      ["tensor 'T' not in model metadata", 'a', 'b', 'c', 'model metadata validation failed'],
      'MODEL_INVALID',
      /tensor 'T'.*validation failed/,
    ],
    [
      'backend',
      exited(1),
      ["backend config failed: backend 'cuda0' was not found"],
      'ENGINE_UNAVAILABLE',
      /cuda0.*driver/,
    ],
    [
      'library',
      exited(127),
      ['sd-cli: error while loading shared libraries: libgomp.so.1: cannot open'],
      'ENGINE_UNAVAILABLE',
      /libgomp/,
    ],
    [
      'Vulkan',
      exited(127),
      ['error while loading shared libraries: libvulkan.so.1: cannot open'],
      'ENGINE_UNAVAILABLE',
      /apt install libvulkan1.*dnf.*pacman/,
    ],
    [
      'target',
      exited(1),
      ["failed to create directory '/s/a/b': no"],
      'ENGINE_FAILED',
      /exited with 1: failed to create directory 'b'/,
    ],
    ['memory', died('SIGABRT'), ['terminate called', '  what():  std::bad_alloc'], 'VRAM_EXHAUSTED', /memory ran out/],
    ['GPU memory', died('SIGABRT'), ['ggml_vulkan: ErrorOutOfDeviceMemory'], 'VRAM_EXHAUSTED', /maxVramGib/],
    [
      'bad number',
      died('SIGABRT'),
      ["terminate called after throwing an instance of 'std::invalid_argument'", '  what():  stoi'],
      'ENGINE_CRASHED',
      /stoi/,
    ],
    ['assertion', died('SIGABRT'), ['GGML_ASSERT(a) failed'], 'ENGINE_CRASHED', /GGML_ASSERT\(a\) failed.*assertion/],
    ['silent crash', died('SIGSEGV'), [], 'ENGINE_CRASHED', /^sd-cli was ended by SIGSEGV \(it read memory/],
    ['division', died('SIGFPE'), [], 'ENGINE_CRASHED', /video model/],
    ['encoder', died('SIGSEGV'), ["loading clip_l from '/m/c' failed"], 'MODEL_INVALID', /loading clip_l/],
    ['killed', died('SIGKILL'), [], 'ENGINE_CRASHED', /memory ran out/],
    ['full disk', exited(1), ['write: No space left on device'], 'DISK_FULL', /free some disk space/],
  ] as const) {
    test(`${title} is ${code}`, () => {
      const failure = endFailure({ name: 'sd-cli', exit, lines });
      assert.equal(failure.code, code);
      assert.match(failure.message, message);
    });
  }

  test('paths of this machine are cut down to names', () => {
    assert.equal(lastWords(["loading '/home/me/models/a.gguf' C:\\Users\\me\\b.gguf"]), "loading 'a.gguf' b.gguf");
  });

  test('a file that was left out counts, whatever the exit code', () => {
    assert.equal(sideFileFailure(['sampling'])?.code, undefined);
    assert.equal(sideFileFailure(["loading llm from '/m/l' failed"])?.code, 'MODEL_INVALID');
    assert.equal(sideFileFailure(['can not found lora lora1'])?.code, 'MODEL_INVALID');
    assert.equal(wordsFailure('no', ['plain'], 'ENGINE_FAILED').message, 'no: plain');
  });
});
