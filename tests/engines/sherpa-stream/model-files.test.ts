// What a streaming model's files must be, found out before the library sees them: it would end the process. And what gets
// past us ends the engine process alone.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { onnxFile } from '../../../fixtures/models/onnx-writer.ts';
import { streamingCtc, streamingTokens } from '../../../fixtures/models/streaming-ctc.ts';
import { streamingTransducer } from '../../../fixtures/models/streaming-transducer.ts';
import { streamingZipformer } from '../../../fixtures/models/streaming-zipformer.ts';
import { sherpaStream } from '../../../src/engines/sherpa-stream/descriptor.ts';
import { languageTag } from '../../../src/engines/sherpa-stream/language.ts';
import { streamingModel } from '../../../src/engines/sherpa-stream/model-files.ts';
import { probe } from '../../../src/engines/sherpa-stream/probe.ts';
import { piecesOf } from '../../../src/engines/sherpa-stream/utterance.ts';
import { tempDir } from '../../supervisor/temp-dir.ts';
import { ears, engineSettings, isAlive, openRig } from '../../workers/rig.ts';
import { concat, dataUrl, type FileSpec, jsonOf, openModels, wavOf } from '../speech-rig.ts';
import { ctcFiles, hush, speech } from './rig.ts';

type Files = Readonly<Record<string, Uint8Array | string>>;

const dir = await tempDir();
after(() => dir[Symbol.asyncDispose]());
let folders = 0;

/** As the model store lays them out; the role is the name. */
async function inspect(files: Files) {
  folders += 1;
  const laid = Object.entries(files).map(([role, content]) => ({
    role,
    content,
    path: dir.file(`${folders}-${role}`),
  }));
  for (const { path, content } of laid) await writeFile(path, content);
  return streamingModel(
    laid.map(({ role, path }) => ({ role, filename: role, path })),
    'tiny',
  );
}

const COUNTING = { languages: { 'en-US': ['one', 'two'], 'de-DE': ['eins', 'zwei'] } };
const nemo = (more: Partial<Parameters<typeof streamingTransducer>[0]> = {}): Files => ({
  ...streamingTransducer({ ...COUNTING, ...more }),
});
const zipformer = (without: string[] = []): Files => ({ ...streamingZipformer({ words: ['red', 'green'], without }) });
const ctc = (options = {}): Files => ({ model: streamingCtc(options), tokens: streamingTokens() });
const paraformer = (metadata: Record<string, string> = {}): Files => {
  const [known, plain] = [
    { vocab_size: '2', lfr_window_size: '7', lfr_window_shift: '6', encoder_output_size: '512' },
    { inputs: [], outputs: [], nodes: [] },
  ];
  const more = { decoder_num_blocks: '1', decoder_kernel_size: '1', neg_mean: '0', inv_stddev: '1' };
  const encoder = onnxFile({ ...plain, metadata: { ...known, ...more, ...metadata } });
  return { encoder, decoder: onnxFile(plain), tokens: '<blank> 0\na 1\n' };
};

describe('the files of a model say what it is', () => {
  test('by their roles and by their metadata', async () => {
    const seen = async (files: Files) => {
      const { config, chunkMs, languages } = await inspect(files);
      return [Object.keys(config), chunkMs, languages];
    };
    assert.deepEqual(await seen(ctc()), [['nemoCtc', 'tokens'], 160, []]);
    assert.deepEqual(await seen(nemo()), [['transducer', 'tokens'], 160, ['en-US', 'de-DE']]);
    assert.deepEqual(await seen(zipformer()), [['transducer', 'tokens'], 320, []]);
    assert.deepEqual(await seen(paraformer()), [['paraformer', 'tokens'], 610, []]);
    const { encoder = '' } = zipformer();
    assert.deepEqual(await seen({ model: encoder, tokens: '<blk> 0\n' }), [['zipformer2Ctc', 'tokens'], 320, []]);
  });

  const without = (files: Files, ...roles: string[]): Files =>
    Object.fromEntries(Object.entries(files).filter(([role]) => !roles.includes(role)));
  const MISSING = 'MODEL_SOURCE_MISSING';
  const INVALID = 'MODEL_INVALID';
  const TABLE: readonly [what: string, files: Files, code: string, message: RegExp][] = [
    ['no tokens', without(ctc(), 'tokens'), MISSING, /no file of role `tokens`/],
    ['nothing but tokens', { tokens: streamingTokens() }, MISSING, /no file of role `model`/],
    ['no decoder', without(nemo(), 'decoder'), MISSING, /no file of role `decoder`/],
    [
      'no metadata',
      ctc({ without: ['window_size', 'vocab_size'] }),
      INVALID,
      /lacks window_size, vocab_size; take the model/,
    ],
    ['no metadata of a predictor', nemo({ without: ['pred_hidden'] }), INVALID, /lacks pred_hidden/],
    ['no type', zipformer(['model_type']), INVALID, /does not say of which type it is/],
    ['no dimensions', zipformer(['left_context_len', 'T']), INVALID, /lacks left_context_len, T/],
    [
      'a decoder of something else',
      { ...zipformer(), decoder: onnxFile({ inputs: [], outputs: [], nodes: [] }) },
      INVALID,
      /lacks vocab_size, context_size/,
    ],
    ['a number that is none', ctc({ metadata: { chunk_shift: 'x' } }), INVALID, /its chunk_shift is no number/],
    ['a step of nothing', ctc({ metadata: { chunk_shift: '0' } }), INVALID, /its chunk_shift is no number/],
    ['a step of a day', ctc({ metadata: { chunk_shift: '8640000' } }), INVALID, /more than 1000/],
    ['an endless vocabulary', ctc({ metadata: { vocab_size: '999999999' } }), INVALID, /lacks number 9/],
    ['languages that are no object', nemo({ metadata: { prompt_dictionary: '["de"]' } }), INVALID, /no JSON object/],
    ['languages that are no JSON', nemo({ metadata: { prompt_dictionary: '{' } }), INVALID, /no JSON object/],
    ['a text as encoder', { ...nemo(), encoder: 'not an onnx file' }, INVALID, /it is no ONNX file/],
    ['a text as joiner', { ...nemo(), joiner: 'not an onnx file' }, INVALID, /it is no ONNX file/],
    ['a model cut short', { ...ctc(), model: streamingCtc().subarray(0, 900) }, INVALID, /cut short|no ONNX file/],
    ['an empty model', { ...ctc(), model: '' }, INVALID, /no ONNX file/],
    ['no tokens in the file', { ...ctc(), tokens: '' }, INVALID, /lacks number 0/],
    ['a token too few', { ...ctc(), tokens: streamingTokens().replace(/.* 3\n/, '') }, INVALID, /lacks number 3/],
    [
      'a token too many, for a transducer',
      { ...nemo(), tokens: `${nemo().tokens}x 6\n` },
      INVALID,
      /has 7 tokens, and the model may say 6/,
    ],
    ['a token too many, for others', { ...zipformer(), tokens: `${zipformer().tokens}#0 99\n` }, '', /^$/],
    [
      'a token without a number',
      { ...ctc(), tokens: `${streamingTokens()}alpha\n` },
      INVALID,
      /line 10 of its tokens file/,
    ],
    [
      'a number below zero',
      { ...ctc(), tokens: streamingTokens().replace(' 1\n', ' -1\n') },
      INVALID,
      /line 2 of its tokens file/,
    ],
    [
      'a number without end',
      { ...ctc(), tokens: streamingTokens().replace(' 1\n', ' 99999999999\n') },
      INVALID,
      /line 2/,
    ],
    [
      'no blank',
      { ...ctc(), tokens: streamingTokens().replace('<blk>', 'blk') },
      INVALID,
      /lacks <blk>, <eps>, <blank>/,
    ],
    [
      'a blank in the wrong place',
      { ...nemo(), tokens: (nemo().tokens as string).replace('<EOU> 4\n<blk> 5', '<blk> 4\n<EOU> 5') },
      INVALID,
      /<blk> is not the last/,
    ],
    ['Windows’ line ends', { ...ctc(), tokens: streamingTokens().replaceAll('\n', '\r\n') }, '', /^$/],
  ];
  for (const [what, files, code, message] of TABLE) {
    test(`${what}: ${code === '' ? 'taken' : code}`, async () => {
      if (code === '') return void (await inspect(files));
      await assert.rejects(inspect(files), { code, message, retryable: false });
    });
  }
});

test('a GPU that is demanded is not there: the library has no build for any', async () => {
  for (const gpu of ['cuda', 'vulkan', 'metal'] as const) {
    assert.deepEqual(await probe(engineSettings('', { gpu })), {
      ready: false,
      detail: `sherpa-onnx has no build for ${gpu}`,
      remedy: 'set gpu = "auto" or "cpu" in [pools.audio_stt]',
    });
  }
});

describe('a language', () => {
  const KNOWN = ['en-US', 'de-DE', 'fr-FR', 'fr-CA', 'zh'];
  for (const [asked, found] of [
    [undefined, undefined],
    ['', undefined],
    ['auto', undefined],
    ['AUTO', undefined],
    ['de-DE', 'de-DE'],
    ['de_de', 'de-DE'],
    ['DE', 'de-DE'],
    ['de-AT', 'de-DE'],
    ['fr-CA', 'fr-CA'],
    ['fr', 'fr-FR'],
    ['zh-Hant-TW', 'zh'],
  ] as const) {
    test(`${asked} is ${found ?? 'what the model finds out'}`, () => assert.equal(languageTag(asked, KNOWN), found));
  }
  test('that the model does not know is refused, and those that it does are named', () => {
    for (const asked of ['nl', 'd', 'deu', '-', '日本語']) {
      assert.throws(() => languageTag(asked, KNOWN), {
        code: 'INPUT_INVALID',
        message: /it knows: auto, en-US, de-DE/,
      });
    }
  });
  test('is nothing to choose for a model that has one', () => assert.equal(languageTag('nl', []), undefined));
});

describe('an utterance in pieces', () => {
  const result = (text: string, tokens: string[], timestamps: number[], start_time = 10) => ({
    text,
    tokens,
    timestamps,
    start_time,
  });
  test('has the times of its tokens, each ending where the next begins', () => {
    assert.deepEqual(piecesOf(result('red green', [' red', ' gr', 'een'], [0, 0.2, 1]), 12), [
      { text: ' red', start: 10, end: 10.2 },
      { text: ' gr', start: 10.2, end: 10.52 },
      { text: 'een', start: 11, end: 11.32 },
    ]);
  });
  test('never ends after the sound', () => {
    assert.deepEqual(piecesOf(result('red', [' red'], [0.9]), 11), [{ text: ' red', start: 10.9, end: 11 }]);
    assert.deepEqual(piecesOf(result('red', [' red'], [5]), 11), [{ text: ' red', start: 11, end: 11 }]);
  });
  test('is one piece where tokens and text differ, or have no times', () => {
    const whole = [{ text: ' red green', start: 10, end: 12 }];
    assert.deepEqual(piecesOf(result('red green', ['r@@', 'ed', 'green'], [0, 1, 2]), 12), whole);
    assert.deepEqual(piecesOf(result('red green', [' red', ' green'], []), 12), whole);
  });
  test('is joined without spaces in languages that have none', () => {
    assert.deepEqual(
      piecesOf(result('你好', ['你', '好'], [0, 0.2]), 12).map(({ text }) => text),
      ['你', '好'],
    );
    assert.deepEqual(
      piecesOf(result('你好', [], []), 12).map(({ text }) => text),
      ['你好'],
    );
  });
  test('has no marks of its end, and no piece when there is nothing else', () => {
    assert.deepEqual(piecesOf(result('red<EOU>', [' red', '<EOU>'], [0, 0.5]), 12), [
      { text: ' red', start: 10, end: 10.32 },
    ]);
    assert.deepEqual(piecesOf(result('<EOB>', ['<EOB>'], [0]), 12), []);
    assert.deepEqual(piecesOf(result('', [], []), 12), []);
  });
});

describe('the library runs', () => {
  const models = openModels('audio_stt');
  const { modelsRoot } = models;
  const opening = openRig({ extraEngines: [sherpaStream], engine: { modelsRoot, gpu: 'cpu' } });
  after(async () => (await opening)[Symbol.asyncDispose]());
  const filesOf = (files: Files): FileSpec[] =>
    Object.entries(files).map(([role, content]) => ({ role, filename: `${role}.onnx`, content }));
  const SOUND = dataUrl(wavOf(concat(speech(2), hush(6), speech(1), hush(1))));
  const heard = async (job: Awaited<ReturnType<typeof models.add>>, more: Record<string, unknown> = {}) => {
    const { host } = await opening;
    return jsonOf(await host.run(job(SOUND, more), ears()).done);
  };

  test('a NeMo transducer in the language that is asked for, without its marks', async () => {
    const job = await models.add('sherpa-stream', 'nemo', filesOf(nemo()));
    assert.equal((await heard(job)).text, 'one two one');
    assert.equal((await heard(job, { language: 'de' })).text, 'eins zwei eins');
    assert.partialDeepStrictEqual(await heard(job, { language: 'de' }), { language: 'de' });
    await assert.rejects(heard(job, { language: 'nl' }), { code: 'INPUT_INVALID', message: /knows no language `nl`/ });
  });

  test('a zipformer', async () => {
    const job = await models.add('sherpa-stream', 'zipformer', filesOf(zipformer()));
    assert.equal((await heard(job)).text, 'red green red');
  });

  test('no model whose insides are broken, and only its process ends with it', async () => {
    const model = streamingCtc();
    // The same outermost fields, with nothing sensible inside of the largest.
    model.fill(0xff, model.indexOf('Reshape') - 20, model.indexOf('Reshape') + 20);
    const job = await models.add('sherpa-stream', 'broken', filesOf({ model, tokens: streamingTokens() }));
    await assert.rejects(heard(job), {
      code: 'ENGINE_CRASHED',
      message: /the engine process of `broken` \(sherpa-stream\) ended/,
    });
    const good = await models.add('sherpa-stream', 'good', ctcFiles());
    assert.equal((await heard(good)).text, 'alpha bravo alpha');
  });

  test('and leaves nothing running', async () => {
    const rig = await opening;
    const pids = rig.host.models().flatMap(({ pid }) => pid ?? []);
    assert.ok(pids.length > 0);
    await rig[Symbol.asyncDispose]();
    assert.deepEqual(pids.filter(isAlive), []);
  });
});
