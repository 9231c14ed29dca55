// What the local API asks of a language model beyond a chat, through real engine processes: vectors, tokens, raw texts.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { CompleteAnswer, EmbedAnswer, LlmRequest, TokenizeAnswer } from '../../../src/engines/engine.ts';
import { ears, openRig } from '../../workers/rig.ts';
import { type ChatPatch, chatJob, requestJob, writeModels } from './models.ts';

const models = await writeModels();
const rig = await openRig({ engine: { modelsRoot: models.root, gpu: 'cpu' }, pools: { llm: { concurrency: 8 } } });
after(async () => {
  await rig[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
});

async function ask<T>(request: LlmRequest, patch: ChatPatch = {}): Promise<{ value: T; streamed: string[] }> {
  const heard = ears();
  const result = await rig.host.run(requestJob(request, patch), heard).done;
  assert(result.kind === 'json');
  assert.deepEqual(heard.thoughts, []);
  return { value: result.value as T, streamed: heard.tokens };
}

type Complete = Extract<LlmRequest, { operation: 'complete' }>;

const goOn = (prompt: string, more: Partial<Complete> = {}, patch: ChatPatch = {}) =>
  ask<CompleteAnswer>({ kind: 'llm', operation: 'complete', prompt, maxTokens: 20, temperature: 0, ...more }, patch);

test('a text is gone on with as it stands, special tokens and all', async () => {
  const { value, streamed } = await goOn('hi<|go|>');
  assert.deepEqual(value, {
    text: 'Hello world.',
    finish_reason: 'stop',
    usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
  });
  assert.deepEqual(streamed, ['Hello', ' world', '.']);
});

test('nothing of a text is taken for a thought, and it ends at its stop strings or its budget', async () => {
  assert.equal((await goOn('@think<|go|>')).value.text, '<think>hmm so </think>\n\nIt is 42');
  assert.equal((await goOn('@stop<|go|>', { stop: ['STOP'] })).value.text, 'Say it. ');
  const cut = await goOn('@loop<|go|>', { maxTokens: 4 });
  assert.deepEqual([cut.value.text, cut.value.finish_reason], ['xyzx', 'length']);
});

test('a seed decides what is rolled, and the default is one of them', async () => {
  const roll = async (seed?: number) =>
    (await goOn('@dice<|go|>', { temperature: 1, maxTokens: 40, ...(seed !== undefined && { seed }) })).value.text;
  assert.equal(await roll(7), await roll(7));
  assert.notEqual(await roll(7), await roll(8));
  assert.equal(await roll(), await roll(1234));
  // Beyond what the library keeps of it, and the number that it takes for "any".
  assert.equal(await roll(2 ** 53), await roll(2 ** 53));
  assert.equal(await roll(2 ** 32 - 1), await roll(2 ** 32 - 1));
});

test('a base model, which has no chat template, goes on with texts all the same', async () => {
  const patch = { model: 'no-template' };
  assert.equal((await goOn('hi<|go|>', {}, patch)).value.text, 'Hello world.');
  await assert.rejects(rig.host.run(chatJob('hi', {}, patch), ears()).done, {
    code: 'MODEL_INVALID',
    message: /no chat template/,
  });
});

test('a model for vectors does nothing else, and says so', async () => {
  await assert.rejects(goOn('red fox', {}, { model: 'words' }), {
    code: 'MODEL_INVALID',
    message: '`words` turns texts into vectors, and cannot go on with one',
  });
});

test('an empty prompt, and one that does not fit, are refused', async () => {
  await assert.rejects(goOn(''), { code: 'INPUT_INVALID', message: 'the prompt is empty' });
  await assert.rejects(goOn('a'.repeat(9000)), { code: 'INPUT_INVALID', message: /but the context holds 8192/ });
});

test('vectors and tokens come from the process as they are', async () => {
  const { value } = await ask<EmbedAnswer>(
    { kind: 'llm', operation: 'embed', texts: ['red', 'fox'] },
    { model: 'words' },
  );
  assert.equal(value.vectors.length, 2);
  assert.ok(value.vectors.every((vector) => Math.abs(Math.hypot(...vector) - 1) < 1e-5));
  const tokens = await ask<TokenizeAnswer>({ kind: 'llm', operation: 'tokenize', text: 'Hello', addSpecial: false });
  assert.equal(tokens.value.tokens.length, 1);
  const chat = await ask<EmbedAnswer>({ kind: 'llm', operation: 'embed', texts: ['Hello'] });
  assert.equal(chat.value.vectors.length, 1, 'a chat model makes vectors too');
});

test('what is asked at one time is answered each on its own', async () => {
  const asked = ['hi', '@json', '@emoji', '@stop', 'hi', '@think', '@json', '@emoji'];
  const alone = new Map<string, string>();
  for (const text of new Set(asked)) alone.set(text, (await goOn(`${text}<|go|>`)).value.text);
  const answers = await Promise.all(asked.map((text) => goOn(`${text}<|go|>`)));
  assert.deepEqual(
    answers.map(({ value }) => value.text),
    asked.map((text) => alone.get(text)),
  );
});

test('an aborted run gives its place to the next one within 200 ms', async () => {
  const endless = { kind: 'llm', operation: 'complete', maxTokens: 100_000, temperature: 0 } as const;
  const tookMs: number[] = [];
  // A busy machine may be late a few times, so the best of several counts.
  while (tookMs.length < 8 && Math.min(...tookMs) >= 200) {
    const [heard, next] = [ears(), ears()];
    const run = rig.host.run(requestJob({ ...endless, prompt: '@loop<|go|>' }, { model: 'slow' }), heard);
    await heard.started;
    const rejected = assert.rejects(run.done, { code: 'CANCELLED' });
    const atMs = performance.now();
    run.cancel('CANCELLED', 'the client has gone');
    await rejected;
    const after = rig.host.run(requestJob({ ...endless, prompt: 'hi<|go|>', maxTokens: 1 }, { model: 'slow' }), next);
    await after.done;
    tookMs.push(performance.now() - atMs);
    assert.equal(next.tokens.join(''), 'Hello');
  }
  assert.ok(Math.min(...tookMs) < 200, `the next one was done after ${tookMs.join(', ')} ms`);
});

test('thoughts are passed on piece by piece, before the first token', async () => {
  const order: string[] = [];
  const heard = ears();
  await rig.host.run(chatJob('@think'), {
    ...heard,
    reasoning: (text) => void order.push(`thought:${text}`),
    token: (text) => void order.push(`said:${text}`),
  }).done;
  const thoughts = order.filter((one) => one.startsWith('thought:'));
  assert.equal(
    thoughts
      .map((one) => one.slice('thought:'.length))
      .join('')
      .trim(),
    'hmm so',
  );
  assert.ok(order.indexOf(thoughts.at(-1) ?? '') < order.findIndex((one) => one.startsWith('said:')));
  assert.ok(thoughts.length > 0);
});
