// Fifty chats at a time with one loaded model: each gets its own answer, whole and in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openApiRig } from './api-rig.ts';
import { tinyModels } from './worker-rig.ts';

const CHATS = 50;

const ANSWERS: readonly { readonly prompt: string; readonly content: string; readonly reasoning?: string }[] = [
  { prompt: 'hello', content: 'Hello world.' },
  { prompt: '@stop', content: 'Say it. STOP here' },
  { prompt: '@think', content: 'It is 42', reasoning: 'hmm so' },
  { prompt: '@emoji', content: 'A😀B' },
  { prompt: '@json', content: '{"name": "bob"}' },
];

test('fifty chats at a time are all answered, each with its own words in their order', async () => {
  await using rig = await openApiRig({ models: [tinyModels.scripted()], host: { pools: { llm: { concurrency: 4 } } } });
  const { openai } = rig;
  const asked = (prompt: string) => ({ model: 'scripted', messages: [{ role: 'user' as const, content: prompt }] });
  await openai.chat.completions.create(asked('hello'));

  const chats = Array.from({ length: CHATS }, async (_, index) => {
    const { prompt, content, reasoning } = ANSWERS[index % ANSWERS.length] ?? { prompt: '', content: '' };
    if (index % 2 === 0) {
      const { choices } = await openai.chat.completions.create(asked(prompt));
      assert.partialDeepStrictEqual(choices[0]?.message, {
        content,
        ...(reasoning && { reasoning_content: reasoning }),
      });
      return;
    }
    let streamed = '';
    let thought = '';
    for await (const chunk of await openai.chat.completions.create({ ...asked(prompt), stream: true })) {
      const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
      streamed += delta?.content ?? '';
      thought += delta?.reasoning_content ?? '';
    }
    assert.deepEqual([streamed, thought], [content, reasoning ?? '']);
  });
  await Promise.all(chats);
  assert.equal(rig.host.models().length, 1, 'one model served all of them');
});
