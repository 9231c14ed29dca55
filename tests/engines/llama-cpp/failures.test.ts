// What goes wrong: files that are no models, devices that are not there, an engine process that dies.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { getLlamaGpuTypes } from 'node-llama-cpp';
import { ears, openRig, syntheticJob, task } from '../../workers/rig.ts';
import { chatJob, writeModels } from './models.ts';

const models = await writeModels();
const open = (gpu: 'cpu' | 'auto' | 'cuda' | 'metal' = 'cpu') => openRig({ engine: { modelsRoot: models.root, gpu } });
const rig = await open();
after(async () => {
  await rig[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
});

const refused = (filename: string) => rig.host.run(chatJob('hi', {}, { model: 'broken', filename }), ears()).done;

for (const [filename, message] of [
  ['data-cut.gguf', /data-cut\.gguf ends early: it has \d+ of at least \d+ bytes; .*downloaded again/],
  ['same-token-twice.gguf', /has the same token twice/],
  ['unknown-architecture.gguf', /llama\.cpp cannot load the model: .*gpt-from-the-future/],
] as const) {
  test(`${filename} is refused in words, and not tried again`, async () => {
    await assert.rejects(refused(filename), { code: 'MODEL_INVALID', message, retryable: false });
    assert.deepEqual(rig.host.models(), []);
  });
}

test('an offer without a .gguf file is told so', async () => {
  const job = syntheticJob('llm', 'hi', { engine: 'llama-cpp', model: 'nothing' });
  await assert.rejects(rig.host.run(job, ears()).done, {
    code: 'MODEL_SOURCE_MISSING',
    message: 'llama-cpp needs a .gguf file for `nothing`; the offer has no files',
  });
});

test('a model without a chat template does not make one up', async () => {
  await assert.rejects(rig.host.run(chatJob('hi', {}, { model: 'no-template' }), ears()).done, {
    code: 'MODEL_INVALID',
    message: /^`no-template` has no chat template/,
  });
});

test('without a wish the model computes on what is there', async () => {
  await using own = await open('auto');
  const heard = ears();
  await own.host.run(chatJob('hi'), heard).done;
  assert.equal(heard.tokens.join(''), 'Hello world.');
  assert.ok((own.host.models()[0]?.memoryBytes ?? 0) > 0, 'and says what it took');
});

test('a GPU that is asked for and is not there is a failure, never the CPU', async (t) => {
  const found = await getLlamaGpuTypes('supported');
  const absent = (['cuda', 'metal'] as const).find((gpu) => !found.includes(gpu));
  if (absent === undefined) return t.skip('this machine has every GPU backend');
  await using own = await open(absent);
  await assert.rejects(own.host.run(chatJob('hi'), ears()).done, {
    code: 'ENGINE_UNAVAILABLE',
    message: new RegExp(`llama\\.cpp cannot compute with ${absent} here: .*; .+`),
  });
});

test('an engine process that dies takes one model with it, and nothing else', async () => {
  const heard = ears();
  const painted = ears();
  const run = rig.host.run(chatJob('@loop', { maxTokens: 100_000 }, { model: 'slow' }), heard);
  await heard.started;
  const picture = task('image', 'a fox', { width: 256, height: 256 });
  const other = rig.host.run(syntheticJob('image', '', { task: picture }), painted);
  const { pid } = rig.host.models().find(({ model }) => model === 'slow') ?? {};
  assert(pid !== undefined);
  process.kill(pid, 'SIGABRT');
  await assert.rejects(run.done, { code: 'ENGINE_CRASHED', retryable: true });
  assert.equal((await other.done).kind, 'bytes');
  const again = ears();
  await rig.host.run(chatJob('hi'), again).done;
  assert.equal(again.tokens.join(''), 'Hello world.');
});
