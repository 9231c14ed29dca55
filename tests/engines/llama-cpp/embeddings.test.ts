// Without a job: what the local API will ask of a loaded model, and what doctor asks of the library.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
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

test('the vectors of texts are near when their words are the same', async () => {
  await using model = await load('words');
  assert.ok((model.memoryBytes ?? 0) > 0);
  const { vectors, tokens } = await model.embed(['red fox', 'fox red', 'red house', 'green house'], never());
  assert.ok(tokens >= 8);
  const near = (a: number, b: number) => (vectors[a] ?? []).reduce((sum, x, i) => sum + x * (vectors[b]?.[i] ?? 0), 0);
  assert.ok(Math.abs(near(0, 0) - 1) < 1e-5, 'length 1');
  assert.ok(near(0, 1) > 0.999);
  assert.ok(near(0, 2) < 0.9 && near(0, 2) > near(0, 3));
});

test('a text that does not fit is refused, never cut', async () => {
  await using model = await load('words');
  await assert.rejects(model.embed([Array(100).fill('fox').join(' ')], never()), {
    code: 'INPUT_INVALID',
    message: /^text is \d+ tokens but the context holds 64$/,
  });
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
