import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTemplate, conversation } from '../../../src/engines/llama-cpp/chat-template.ts';
import { LlmTask } from '../../../src/protocol/index.ts';

const TOKENS = { bos: '<s>', eos: '</s>' };
const USER = [{ role: 'user', content: 'hi' }];
const render = (text: string, kwargs = {}) => compileTemplate(text, TOKENS).render(USER, kwargs);

test('a template gets the messages, the special tokens and the request for an answer', () => {
  const chatml = [
    '{{ bos_token }}{% for m in messages %}',
    '<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>{{ eos_token }}',
    '{% endfor %}',
    '{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}',
  ].join('\n');
  assert.equal(render(chatml), '<s><|im_start|>user\nhi<|im_end|></s>\n<|im_start|>assistant\n');
});

test('nothing else is there unless the kwargs say so', () => {
  const text = '{{ tools is defined }} {{ enable_thinking is defined }} {{ documents is defined }}';
  assert.equal(render(text), 'false false false');
  assert.equal(render(text, { enable_thinking: false }), 'false true false');
});

test('the kwargs cannot replace the conversation', () => {
  const kwargs = { messages: [], add_generation_prompt: false, bos_token: 'x' };
  assert.equal(render('{{ bos_token }}{{ messages[0].content }}{{ add_generation_prompt }}', kwargs), '<s>hitrue');
});

test("Python's string methods and the clock are there", () => {
  const text = "{{ messages[0].content.upper().startswith('H') }} {{ 'a,b'.split(',')[-1] }} {{ strftime_now('%Y') }}";
  assert.match(render(text), /^true b \d{4}$/);
});

test('what a template refuses is the job’s fault; what is no template is the model’s', () => {
  const strict = "{{ raise_exception('roles must alternate') }}";
  assert.throws(() => render(strict), {
    code: 'INPUT_INVALID',
    message: "the model's chat template refuses this conversation: roles must alternate",
  });
  assert.throws(() => compileTemplate('{% if %}', TOKENS), { code: 'MODEL_INVALID', message: /is not valid Jinja/ });
});

test('the system prompt is the first message', () => {
  const task = LlmTask.parse({ kind: 'llm', messages: USER, system: 'be brief' });
  assert.deepEqual(conversation(task), [{ role: 'system', content: 'be brief' }, ...USER]);
  assert.deepEqual(conversation({ ...task, system: undefined }), USER);
});
