import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatBody, chatTask } from '../../../../src/supervisor/api/openai/chat-request.ts';
import { keepAliveMs } from '../../../../src/supervisor/api/openai/sampling.ts';
import { ApiError } from '../../../../src/supervisor/api/problem.ts';
import { checked } from '../../../../src/supervisor/api/request-body.ts';

const HELLO = [{ role: 'user', content: 'hello' }];
const taskOf = (body: object) => chatTask(checked({ messages: HELLO, ...body }, ChatBody));
const paramOf = (body: object): string | undefined => {
  try {
    taskOf(body);
  } catch (thrown) {
    assert.ok(thrown instanceof ApiError, String(thrown));
    assert.equal(thrown.problem.status, 400);
    return thrown.problem.param ?? '';
  }
  return undefined;
};

test("what is left open has the contract's defaults", () => {
  const defaults = { kind: 'llm', messages: HELLO, maxTokens: 512, temperature: 0.7 };
  assert.deepEqual(taskOf({}), defaults);
  const nulls = { stop: null, seed: null, top_p: null, max_tokens: null, stream: null, response_format: null, n: null };
  assert.deepEqual(taskOf(nulls), defaults, 'null is absent');
  assert.deepEqual(taskOf({ user: 'x', store: false, stop: [], logit_bias: {}, tools: [] }), defaults);
});

test('fields of OpenAI and of upstream become fields of the task', () => {
  const rows: [object, object][] = [
    [{ stop: 'END' }, { stop: ['END'] }],
    [{ stop: ['A', 'B'] }, { stop: ['A', 'B'] }],
    [{ seed: 7 }, { seed: 7 }],
    [{ seed: -1 }, { seed: 2 ** 32 - 1 }],
    [{ max_tokens: 5 }, { maxTokens: 5 }],
    [{ max_tokens: 5, max_completion_tokens: 6 }, { maxTokens: 6 }],
    [
      { temperature: 0, top_p: 0.5 },
      { temperature: 0, topP: 0.5 },
    ],
    [{ chat_template_kwargs: { enable_thinking: false } }, { chatTemplateKwargs: { enable_thinking: false } }],
    [{ response_format: { type: 'text' } }, {}],
    [{ response_format: { type: 'json_object' } }, { jsonSchema: { type: 'object', additionalProperties: true } }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema: { type: 'null' } } } },
      { jsonSchema: { type: 'null' } },
    ],
    [
      {
        messages: [
          {
            role: 'developer',
            content: [
              { type: 'text', text: 'a' },
              { type: 'text', text: 'b' },
            ],
          },
        ],
      },
      { messages: [{ role: 'system', content: 'ab' }] },
    ],
  ];
  for (const [body, expected] of rows) {
    assert.deepEqual(taskOf(body), { ...taskOf({}), ...expected }, JSON.stringify(body));
  }
});

test('what cannot be done, or is no request at all, is refused by the name of its field', () => {
  const rows: [object, string][] = [
    [{ messages: [] }, 'messages'],
    [{ messages: 'hello' }, 'messages'],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content'],
    [
      { messages: [...HELLO, { role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages.1.content.0',
    ],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages.0.content'],
    [{ messages: [{ role: 'assistant', content: '', tool_calls: [{}] }] }, 'messages.0.tool_calls'],
    [{ n: 2 }, 'n'],
    [{ tools: [{}] }, 'tools'],
    [{ functions: [{}] }, 'functions'],
    [{ logprobs: true }, 'logprobs'],
    [{ modalities: ['text', 'audio'] }, 'modalities'],
    [{ stop: '' }, 'stop'],
    [{ stop: Array(17).fill('x') }, 'stop'],
    [{ stop: [1] }, 'stop'],
    [{ stop: 'x'.repeat(1001) }, 'stop'],
    [{ seed: 1.5 }, 'seed'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: 1e12 }, 'max_tokens'],
    [{ top_p: 2 }, 'top_p'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [{ deadline_ms: 0 }, 'deadline_ms'],
    [{ deadline_ms: 1e-9 }, 'deadline_ms'],
    [{ stream: 'yes' }, 'stream'],
  ];
  for (const [body, param] of rows) assert.equal(paramOf(body), param, JSON.stringify(body));
});

test('keep_alive is seconds, or a text with a unit', () => {
  const rows: [string | number | undefined, number | undefined][] = [
    [undefined, undefined],
    [0, 0],
    [90, 90_000],
    ['90', 90_000],
    ['1.5m', 90_000],
    ['24h', 86_400_000],
    ['250ms', 250],
    [-1, -1],
    ['-5m', -1],
    [1e15, 2 ** 31 - 1],
  ];
  for (const [given, ms] of rows) assert.equal(keepAliveMs(given), ms, String(given));
  for (const wrong of ['soon', '', '5 m', 'Infinity', '1e3']) assert.throws(() => keepAliveMs(wrong), ApiError, wrong);
});
