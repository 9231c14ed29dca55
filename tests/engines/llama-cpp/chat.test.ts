// Conversations through a real engine process: one model, loaded once, exact answers.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { LlmTask } from '../../../src/protocol/index.ts';
import { ears, openRig } from '../../workers/rig.ts';
import { type ChatPatch, type Completion, chatJob, writeModels } from './models.ts';

const models = await writeModels();
const rig = await openRig({
  engine: { modelsRoot: models.root, gpu: 'cpu' },
  pools: { llm: { concurrency: 20 } },
});
after(async () => {
  await rig[Symbol.asyncDispose]();
  await models[Symbol.asyncDispose]();
});

type Said = { content: string; reasoning: string | undefined; finish: string; streamed: string[]; whole: Completion };

async function say(text: string, more: Partial<LlmTask> = {}, patch: ChatPatch = {}): Promise<Said> {
  const heard = ears();
  const result = await rig.host.run(chatJob(text, more, patch), heard).done;
  assert(result.kind === 'json');
  const whole = result.value as Completion;
  const [choice] = whole.choices;
  assert(choice);
  return {
    content: choice.message.content,
    reasoning: choice.message.reasoning_content,
    finish: choice.finish_reason,
    streamed: heard.tokens,
    whole,
  };
}

test('an answer is streamed token by token and told whole, with true token counts', async () => {
  const { streamed, whole } = await say('hi');
  assert.deepEqual(streamed, ['Hello', ' world', '.']);
  const { elapsed_ms, ...rest } = whole;
  assert.ok(Number.isInteger(elapsed_ms) && elapsed_ms >= 0);
  // One token for each character of "[user]hi\n", and one for <|go|>.
  assert.deepEqual(rest, {
    object: 'chat.completion',
    model: 'scripted',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello world.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 },
  });
});

test('the system prompt goes before the messages, through the template', async () => {
  const { whole } = await say('hi', { system: 's' });
  assert.equal(whole.usage.prompt_tokens, 10 + '[system]s\n'.length);
});

test('a stop string that is spread over tokens ends the answer, and nothing of it is passed on', async () => {
  const { content, streamed, finish, whole } = await say('@stop', { stop: ['', 'STOP'] });
  assert.equal(content, 'Say it.');
  assert.deepEqual(streamed, ['Say', ' it.']);
  assert.equal(finish, 'stop');
  assert.equal(whole.usage.completion_tokens, 3);
});

test('what only looks like the beginning of a stop string is passed on in the end', async () => {
  const { content, streamed } = await say('@stop', { stop: ['STOPPED', 'here and'] });
  assert.equal(content, 'Say it. STOP here');
  assert.equal(streamed.join(''), content);
});

test('what a model thinks is kept apart from what it says', async () => {
  const { content, reasoning, streamed } = await say('@think');
  assert.deepEqual({ content, reasoning }, { content: 'It is 42', reasoning: 'hmm so' });
  assert.equal(streamed.join(''), content);
});

test('also when the template began the thought, as the kwargs of the job ask', async () => {
  const { content, reasoning } = await say('hi', { chatTemplateKwargs: { think: true } });
  assert.deepEqual({ content, reasoning }, { content: 'It is 42', reasoning: 'hmm so' });
});

test("a model has template kwargs of its own, and a job's override them", async () => {
  const patch: ChatPatch = { cliDefaults: { chatTemplateKwargs: { think: true, trigger: '@emoji' } } };
  assert.equal((await say('hi', {}, patch)).reasoning, 'hmm so');
  assert.equal((await say('hi', { chatTemplateKwargs: { think: false } }, patch)).content, 'A😀B');
});

test('a thought that the budget cuts is all there is', async () => {
  const { content, reasoning, finish, streamed } = await say('@think', { maxTokens: 2 });
  assert.deepEqual({ content, reasoning, finish }, { content: '', reasoning: 'hmm', finish: 'length' });
  assert.deepEqual(streamed, []);
});

test('a character that is spread over tokens arrives in one piece', async () => {
  const { content, streamed } = await say('@emoji');
  assert.equal(content, 'A😀B');
  assert.deepEqual(streamed, ['A', '😀', 'B']);
});

test('an answer ends with its budget', async () => {
  const { content, finish, whole } = await say('@loop', { maxTokens: 7 });
  assert.deepEqual({ content, finish }, { content: 'xyzxyzx', finish: 'length' });
  assert.equal(whole.usage.completion_tokens, 7);
  assert.equal((await say('@loop', { maxTokens: 0 })).content, 'x', 'at least one token');
});

test('a prompt that does not fit is refused, and an answer ends where the context does', async () => {
  const patch: ChatPatch = { cliDefaults: { contextSize: 64 } };
  // 64 tokens of prompt: "[user]", 56 letters, a line end and <|go|>.
  await assert.rejects(say('a'.repeat(56), {}, patch), {
    code: 'INPUT_INVALID',
    message: /^prompt is 64 tokens but the context holds 64; /,
  });
  // "[user]@loop\n" and <|go|> leave room: the trigger is one token.
  const { whole, finish, content } = await say('@loop', { maxTokens: 1000 }, patch);
  assert.deepEqual(whole.usage, { prompt_tokens: 9, completion_tokens: 55, total_tokens: 64 });
  assert.deepEqual({ content, finish }, { content: 'xyz'.repeat(19).slice(0, 55), finish: 'length' });
  const { content: last } = await say('a'.repeat(55), {}, patch);
  assert.equal(last, 'Hello', 'room for one token');
});

test('a context is never larger than what the model was trained for, and BOS is put where the file says so', async () => {
  const patch: ChatPatch = { model: 'with-bos', cliDefaults: { contextSize: 500 } };
  assert.equal((await say('hi', {}, patch)).whole.usage.prompt_tokens, 11);
  await assert.rejects(say('a'.repeat(200), {}, patch), { message: /prompt is 209 tokens but the context holds 96/ });
});

test('greedy answers take the likeliest token; sampled ones are the same each time', async () => {
  const roll = async (more: Partial<LlmTask>) => (await say('@dice', { maxTokens: 40, ...more })).content;
  const greedy = await roll({ temperature: 0 });
  assert.equal(greedy, await roll({ temperature: -1 }));
  assert.equal(new Set(greedy).size, 1);
  const sampled = await roll({ temperature: 1 });
  assert.equal(sampled, await roll({ temperature: 1 }));
  assert.ok(new Set(sampled).size > 3, `${sampled} is no mixture`);
  assert.equal(new Set(await roll({ temperature: 1, topP: 0.01 })).size, 1);
});

test('a JSON schema is kept to, whatever the model would like to say', async () => {
  const person = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
  const free = await say('@json', { jsonSchema: person });
  assert.deepEqual({ content: free.content, finish: free.finish }, { content: '{"name": "bob"}', finish: 'stop' });
  assert.equal(free.whole.usage.completion_tokens, 5, 'the end of the JSON is the end of the answer');
  const forced = await say('hi', { jsonSchema: { type: 'object', properties: { colour: { const: 'red' } } } });
  assert.deepEqual(JSON.parse(forced.content), { colour: 'red' });
  const list = { $defs: { A: { enum: ['a'] } }, type: 'array', items: { $ref: '#/$defs/A' }, minItems: 2, maxItems: 2 };
  assert.deepEqual(JSON.parse((await say('hi', { jsonSchema: list })).content), ['a', 'a']);
  const optional = { anyOf: [{ type: 'null' }] };
  assert.equal((await say('hi', { jsonSchema: optional })).content, 'null');
});

test('a schema binds the answer, not the thought before it', async () => {
  const more = { jsonSchema: { enum: ['red'] }, chatTemplateKwargs: { think: true } };
  const { content, reasoning } = await say('hi', more);
  assert.deepEqual({ content, reasoning }, { content: '"red"', reasoning: 'hmm so' });
});

test('a schema that cannot be kept to is refused', async () => {
  await assert.rejects(say('hi', { jsonSchema: { type: 'string', pattern: '^a' } }), {
    code: 'INPUT_INVALID',
    message: /jsonSchema uses `pattern`/,
  });
  // The library's own word for a grammar with too many repetitions.
  await assert.rejects(say('hi', { jsonSchema: { type: 'string', maxLength: 1500 } }), {
    code: 'INPUT_INVALID',
    message: /jsonSchema cannot be turned into a grammar: .*; simplify it, or lower its limits$/,
  });
});

test('runs share the model, and none hears another', async () => {
  const texts = ['hi', '@emoji', '@think', '@json', '@stop', '@dice'];
  const alone = new Map<string, string>();
  for (const text of texts) alone.set(text, (await say(text, { maxTokens: 30 })).content);
  // More than there are places, so some wait for one.
  const asked = [...texts, ...texts, ...texts].slice(0, 16);
  const answers = await Promise.all(asked.map((text) => say(text, { maxTokens: 30 })));
  assert.deepEqual(
    answers.map(({ content }) => content),
    asked.map((text) => alone.get(text)),
  );
  assert.deepEqual(
    answers.map(({ streamed }) => streamed.join('')),
    answers.map(({ content }) => content),
  );
  assert.equal(rig.host.models().filter(({ model }) => model === 'scripted').length, 3, 'one for each settings used');
});

/** More than there can be places: eight, and fewer in contexts that are on their way out. */
const CROWD = 20;

test('eight endless answers run at one time, and more wait; cancelled ones are gone at once', async () => {
  const tookMs: number[] = [];
  // A busy machine may be late once, so the best of three counts.
  while (tookMs.length < 3 && Math.min(...tookMs) >= 200) {
    const eight = Promise.withResolvers<void>();
    let started = 0;
    const runs = Array.from({ length: CROWD }, () => {
      const heard = ears();
      void heard.started.then(() => {
        started += 1;
        if (started === 8) eight.resolve();
      });
      return { heard, run: rig.host.run(chatJob('@loop', { maxTokens: 100_000 }, { model: 'slow' }), heard) };
    });
    await eight.promise;
    const atMs = performance.now();
    for (const { run } of runs) run.cancel('CANCELLED', 'enough');
    const ends = await Promise.allSettled(runs.map(({ run }) => run.done));
    tookMs.push(performance.now() - atMs);
    assert.deepEqual(
      ends.map((end) => end.status === 'rejected' && end.reason.code),
      Array(CROWD).fill('CANCELLED'),
    );
    assert.ok(
      runs.some(({ heard }) => heard.tokens.length === 0),
      'some never had a place',
    );
  }
  assert.ok(Math.min(...tookMs) < 200, `cancelled after ${tookMs.join(', ')} ms`);
  assert.equal((await say('hi', {}, { model: 'slow' })).content, 'Hello world.');
});

test('a prompt that is being read can be cancelled too', async () => {
  const heard = ears();
  const run = rig.host.run(chatJob('a'.repeat(8000), {}, { model: 'slow' }), heard);
  await heard.started;
  run.cancel('CANCELLED', 'enough');
  await assert.rejects(run.done, { code: 'CANCELLED' });
  assert.deepEqual(heard.tokens, []);
  assert.equal((await say('@emoji', {}, { model: 'slow' })).content, 'A😀B');
});
