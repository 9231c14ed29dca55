// The synthetic engine's files, opened by the libraries that people would open them with.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import wavefile from 'wavefile';
import type {
  EmbedAnswer,
  EngineResult,
  EngineTask,
  LlmRequest,
  RunContext,
  TokenizeAnswer,
} from '../../src/engines/engine.ts';
import { synthetic } from '../../src/engines/synthetic/descriptor.ts';
import { engine } from '../../src/engines/synthetic/engine.ts';
import type { CliDefaults, Task } from '../../src/protocol/index.ts';
import { engineSettings, syntheticJob, task } from '../workers/rig.ts';

function context(more: Partial<RunContext> = {}): RunContext {
  const nothing = () => {};
  return {
    signal: new AbortController().signal,
    settings: engineSettings(''),
    scratchDir: '',
    progress: nothing,
    token: nothing,
    reasoning: nothing,
    partial: nothing,
    log: nothing,
    ...more,
  };
}

async function run(
  told: EngineTask,
  {
    model = 'synthetic',
    cliDefaults = {},
    ...more
  }: Partial<RunContext> & { model?: string; cliDefaults?: Partial<CliDefaults> } = {},
): Promise<EngineResult> {
  const { source } = syntheticJob(told.kind, '', { cliDefaults });
  const loaded = await engine.load({ key: 'k', model, source }, { ...context(), progress: () => {}, files: [] });
  await using _model = loaded;
  return loaded.run(told, context(more));
}

async function file(result: EngineResult): Promise<Buffer> {
  assert.ok(result.kind === 'bytes');
  const chunks: Uint8Array[] = [];
  for await (const chunk of result.chunks) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

describe('a picture', () => {
  for (const [ext, format] of [
    ['webp', 'webp'],
    ['png', 'png'],
    ['jpg', 'jpeg'],
    ['jpeg', 'jpeg'],
    ['avif', 'heif'],
  ] as const) {
    test(`is written as ${ext} in the size that was asked for`, async () => {
      const result = await run(task('image', 'a red fox', { width: 96, height: 40, ext }));
      const { width, height, format: found } = await sharp(await file(result)).metadata();
      assert.deepEqual([result.kind === 'bytes' && result.ext, width, height, found], [ext, 96, 40, format]);
    });
  }

  test('has the palette of its prompt’s digest in rings around the centre', async () => {
    const raw = await sharp(await file(await run(task('image', 'a red fox', { width: 512, height: 512, ext: 'webp' }))))
      .raw()
      .toBuffer();
    const d = digest('a red fox');
    const at = (x: number, y: number) => [...raw.subarray((y * 512 + x) * 3, (y * 512 + x) * 3 + 3)];
    // Rings are 256 / 6 pixels wide; the fourth colour goes on to the edge.
    for (const [ring, x] of [
      [0, 270],
      [1, 310],
      [2, 355],
      [3, 400],
      [3, 511],
    ] as const) {
      at(x, 256).forEach((value, channel) => {
        assert.ok(Math.abs(value - (d[ring * 3 + channel] ?? 0)) <= 24, `ring ${ring}`);
      });
      assert.deepEqual(Math.abs((at(256, x)[0] ?? 0) - (d[ring * 3] ?? 0)) <= 24, true);
    }
  });

  test('takes the model’s size when none is asked, and upstream’s when there is none', async () => {
    const open = task('image', 'x', { width: 0, height: 0, ext: 'png' });
    const own = await sharp(await file(await run(open, { cliDefaults: { width: 72, height: 24 } }))).metadata();
    assert.deepEqual([own.width, own.height], [72, 24]);
    const usual = await sharp(await file(await run(open))).metadata();
    assert.deepEqual([usual.width, usual.height], [512, 512]);
  });

  test('is refused in other formats and beyond 4096 pixels', async () => {
    for (const ext of ['gif', 'PNG', 'constructor', '']) {
      await assert.rejects(run(task('image', 'x', { ext })), {
        code: 'INPUT_INVALID',
        message: /webp, png, jpg, jpeg, avif/,
      });
    }
    await assert.rejects(run(task('image', 'x', { width: 4097 })), {
      code: 'INPUT_INVALID',
      message: /4097x48.*1 to 4096/,
    });
    for (const width of [-64, 0.5]) {
      const message = new RegExp(`size ${width}x48 is out of range`);
      await assert.rejects(run({ ...task('image', 'x'), width } as Task), { code: 'INPUT_INVALID', message });
    }
  });

  test('larger than a piece comes in pieces that own their memory', async () => {
    const result = await run(task('image', 'noise', { width: 4096, height: 1024, ext: 'png' }));
    assert.ok(result.kind === 'bytes');
    for await (const chunk of result.chunks) assert.equal(chunk.byteLength, chunk.buffer.byteLength);
  });
});

describe('a film', () => {
  test('is an animated WebP of as many frames as its seconds have', async () => {
    const result = await run(task('video', 'a red fox', { width: 48, height: 32, seconds: 1.5, fps: 4, ext: 'mp4' }));
    const meta = await sharp(await file(result), { animated: true }).metadata();
    assert.equal(result.kind === 'bytes' && result.ext, 'webp');
    assert.deepEqual([meta.format, meta.width, meta.pageHeight, meta.pages, meta.delay?.[0]], ['webp', 48, 32, 6, 250]);
  });

  test('has eight frames a second unless told otherwise, and at least one', async () => {
    const pages = async (seconds: number, more = {}) =>
      (
        await sharp(await file(await run(task('video', 'x', { width: 16, height: 16, seconds, ...more }))), {
          animated: true,
        }).metadata()
      ).pages ?? 1;
    assert.equal(await pages(2), 16);
    assert.equal(await pages(0.01), 1);
  });

  test('is refused without length, beyond its bounds, and beyond memory', async () => {
    for (const [more, message] of [
      [{ seconds: 0 }, /no frames/],
      [{ seconds: 2, fps: 0 }, /fps 0/],
      [{ seconds: 2, fps: 61 }, /fps 61/],
      [{ seconds: 60 }, /480 frames are too many.*240/],
      [{ seconds: 30, width: 1024, height: 1024 }, /at most 60/],
      [{ seconds: 2, width: 1025 }, /1 to 1024/],
    ] as const) {
      await assert.rejects(run(task('video', 'x', more)), { code: 'INPUT_INVALID', message });
    }
  });
});

test('a voice is one second of a 16-bit mono tone whose pitch is the text’s', async () => {
  const result = await run(task('audio_tts', 'good morning', { ext: 'mp3' }));
  assert.equal(result.kind === 'bytes' && result.ext, 'wav');
  const wav = new wavefile.WaveFile(await file(result));
  const { numChannels, sampleRate, bitsPerSample, audioFormat } = wav.fmt as Record<string, number>;
  assert.deepEqual(
    { numChannels, sampleRate, bitsPerSample, audioFormat },
    { numChannels: 1, sampleRate: 22_050, bitsPerSample: 16, audioFormat: 1 },
  );
  const samples = wav.getSamples(false, Int16Array) as unknown as Int16Array;
  assert.equal(samples.length, 22_050);
  const hertz = 220 + ((digest('good morning')[0] ?? 0) * 660) / 255;
  const rising = samples.filter((sample, i) => i > 0 && (samples[i - 1] ?? 0) < 0 && sample >= 0).length;
  assert.ok(Math.abs(rising - hertz) <= 1.5);
  assert.ok(Math.abs(Math.max(...samples) - 0.4 * 32_767) < 40);
});

test('a reply has the contract’s shape, and streams the same text', async () => {
  const tokens: string[] = [];
  const told = task('llm', 'hello there', { system: 'be brief' });
  const result = await run(told, { model: 'synthetic-llm', token: (text) => tokens.push(text) });
  const content = `[synthetic] reply to prompt #${digest('system: be brief\nuser: hello there').toString('hex').slice(0, 16)}`;
  assert.deepEqual(result.kind === 'json' && result.value, {
    object: 'chat.completion',
    model: 'synthetic-llm',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 6, completion_tokens: 8, total_tokens: 14 },
  });
  assert.ok(tokens.length > 1);
  assert.equal(tokens.join(''), content);
});

test('vectors, tokens and continuations are right in shape, and the same for the same text', async () => {
  const ask = async (request: LlmRequest) => {
    const tokens: string[] = [];
    const result = await run(request, { model: 'synthetic-llm', token: (text) => tokens.push(text) });
    assert.equal(result.kind, 'json');
    return { tokens, value: (result as { value: unknown }).value };
  };
  const embedded = (await ask({ kind: 'llm', operation: 'embed', texts: ['a fox', 'a fox', 'b'] }))
    .value as EmbedAnswer;
  assert.equal(embedded.tokens, 5);
  const [one, same, other] = embedded.vectors;
  assert.deepEqual(one, same);
  assert.notDeepEqual(one, other);
  for (const vector of embedded.vectors) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-9);
  const { tokens } = (await ask({ kind: 'llm', operation: 'tokenize', text: 'a fox a', addSpecial: false }))
    .value as TokenizeAnswer;
  assert.equal(tokens.length, 3);
  assert.ok(tokens.every(Number.isInteger));
  assert.deepEqual((await ask({ kind: 'llm', operation: 'tokenize', text: '', addSpecial: true })).value, {
    tokens: [],
  });
  const request = { kind: 'llm', operation: 'complete', prompt: 'once upon', maxTokens: 9, temperature: 0 } as const;
  const text = `[synthetic] continuation of #${digest('once upon').toString('hex').slice(0, 16)}`;
  assert.deepEqual(await ask(request), {
    tokens: text.match(/\s*\S+/g),
    value: { text, finish_reason: 'stop', usage: { prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 } },
  });
  assert.deepEqual((await ask({ ...request, maxTokens: 2 })).value, {
    text: '[synthetic] continuation',
    finish_reason: 'length',
    usage: { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 },
  });
});

test('a transcript names its input and language', async () => {
  const text = `[synthetic] transcript of ${digest('https://x/y.wav').toString('hex').slice(0, 16)}`;
  const value = async (more = {}) => {
    const result = await run(task('audio_stt', 'https://x/y.wav', more));
    return result.kind === 'json' && result.value;
  };
  assert.deepEqual(await value(), { text, language: 'en', duration: 1 });
  assert.deepEqual(await value({ language: 'nl' }), { text, language: 'nl', duration: 1 });
});

test('the same text gives the same bytes, another text others', async () => {
  for (const kind of ['image', 'audio_tts', 'video'] as const) {
    const [one, same, other] = await Promise.all(
      ['a', 'a', 'b'].map(async (text) => file(await run(task(kind, text)))),
    );
    assert.ok(one?.equals(same ?? Buffer.alloc(0)), kind);
    assert.ok(!one?.equals(other ?? Buffer.alloc(0)), kind);
  }
});

test('only synthetic models are served, each for its own kinds', async () => {
  await assert.rejects(run(task('llm', 'x'), { model: 'qwen3' }), {
    code: 'MODEL_INVALID',
    message: /no model `qwen3`; it has: synthetic, /,
  });
  await assert.rejects(run(task('llm', 'x'), { model: 'synthetic-image' }), { code: 'MODEL_INVALID' });
  for (const names of Object.values(synthetic.models))
    assert.ok(names.every((name) => /^synthetic(-\w+)?$/.test(name)));
});

test('an aborted signal stops every kind', async () => {
  const controller = new AbortController();
  controller.abort(new Error('stop'));
  for (const kind of ['image', 'llm', 'audio_stt', 'audio_tts', 'video'] as const) {
    await assert.rejects(run(task(kind, 'x'), { signal: controller.signal }), /stop/);
  }
});
