// Without a job: what the local API will ask of a loaded model, and what doctor asks of the library.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { EmbedAnswer, EngineTask, TokenizeAnswer } from '../../../src/engines/engine.ts';
import { engine } from '../../../src/engines/llama-cpp/engine.ts';
import { probe } from '../../../src/engines/llama-cpp/probe.ts';
import { engineSettings } from '../../workers/rig.ts';
import { chatJob, writeModels } from './models.ts';

const models = await writeModels();
after(() => models[Symbol.asyncDispose]());
const settings = engineSettings(models.root, { gpu: 'cpu' });

const never = () => new AbortController().signal;

function load(model: string, signal = never()) {
  const { source } = chatJob('', {}, { model });
  const files = [{ role: 'model', filename: 'model.gguf', path: `${models.root}/${model}/model.gguf` }];
  const context = { signal, settings, files, scratchDir: models.root, progress() {}, log() {} };
  return engine.load({ key: model, model, source }, context);
}

type Ran = Awaited<ReturnType<typeof load>>;

async function ask<T>(model: Ran, task: EngineTask): Promise<T> {
  const context = {
    ...{ signal: never(), settings, scratchDir: models.root },
    ...{ progress() {}, token() {}, reasoning() {}, partial() {}, log() {} },
  };
  const result = await model.run(task, context);
  assert.equal(result.kind, 'json');
  return (result as { value: unknown }).value as T;
}

const embed = (model: Ran, texts: string[]) => ask<EmbedAnswer>(model, { kind: 'llm', operation: 'embed', texts });

test('the vectors of texts are near when their words are the same', async () => {
  await using model = await load('words');
  assert.ok((model.memoryBytes ?? 0) > 0);
  const { vectors, tokens } = await embed(model, ['red fox', 'fox red', 'red house', 'green house']);
  assert.ok(tokens >= 8);
  const near = (a: number, b: number) => (vectors[a] ?? []).reduce((sum, x, i) => sum + x * (vectors[b]?.[i] ?? 0), 0);
  assert.ok(Math.abs(near(0, 0) - 1) < 1e-5, 'length 1');
  assert.ok(near(0, 1) > 0.999);
  assert.ok(near(0, 2) < 0.9 && near(0, 2) > near(0, 3));
});

test('a text that does not fit is refused, never cut', async () => {
  await using model = await load('words');
  await assert.rejects(embed(model, [Array(100).fill('fox').join(' ')]), {
    code: 'INPUT_INVALID',
    message: /^text is \d+ tokens but the context holds 64$/,
  });
});

test('a text becomes the tokens of the model, with its special ones only if they are asked for', async () => {
  await using model = await load('with-bos');
  const tokenize = (text: string, addSpecial: boolean) =>
    ask<TokenizeAnswer>(model, { kind: 'llm', operation: 'tokenize', text, addSpecial });
  const plain = await tokenize('Hello world', false);
  assert.ok(plain.tokens.length > 0);
  const special = await tokenize('Hello world', true);
  assert.deepEqual(special.tokens.slice(1), plain.tokens);
  assert.deepEqual(await tokenize('', false), { tokens: [] });
});

test('a load that nobody wants any more ends with the reason', async () => {
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const loading = load('scripted', controller.signal);
  controller.abort(reason);
  await assert.rejects(loading, reason);
});

test('the probe names the backend without a model, or says what to install', async () => {
  const report = await probe(settings);
  assert.equal(report.ready, true);
  assert.equal(report.backend, 'cpu');
  assert.match(report.detail, /^llama\.cpp \S+ on cpu/);
  const absent = process.platform === 'darwin' ? 'cuda' : 'metal';
  const other = await probe({ ...settings, gpu: absent });
  assert.equal(other.ready, false);
  assert.match(other.detail, new RegExp(`cannot compute with ${absent} here`));
  assert.ok(other.remedy && !other.detail.includes(other.remedy), 'the remedy is told apart');
});
