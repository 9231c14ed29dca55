// Task payloads: every default of the contract, ranges, and the prompt that is sent back.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fullPrompt, TASK_KINDS, Task } from '../../src/protocol/index.ts';
import { fullTasks } from './samples.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const minimal: { kind: string; given: Record<string, unknown>; expected: Record<string, unknown> }[] = [
  { kind: 'image', given: { prompt: 'p' }, expected: { prompt: 'p', width: 512, height: 512, steps: 20, ext: 'webp' } },
  { kind: 'llm', given: { messages: [] }, expected: { messages: [], maxTokens: 512, temperature: 0.7 } },
  { kind: 'audio_stt', given: { inputUrl: 'u' }, expected: { inputUrl: 'u' } },
  { kind: 'audio_tts', given: { text: 't' }, expected: { text: 't', voice: 'default', ext: 'wav' } },
  { kind: 'video', given: { prompt: 'p' }, expected: { prompt: 'p', seconds: 2, width: 512, height: 512, ext: 'mp4' } },
];

test('the kinds are listed in the order of the contract, and there are samples and defaults of each', () => {
  assert.deepEqual(TASK_KINDS, ['image', 'llm', 'audio_stt', 'audio_tts', 'video']);
  assert.deepEqual(
    fullTasks.map((task) => task.kind),
    TASK_KINDS,
  );
  assert.deepEqual(
    minimal.map((task) => task.kind),
    TASK_KINDS,
  );
});

for (const { kind, given, expected } of minimal) {
  const full = fullTasks.find((task) => task.kind === kind) as Record<string, unknown>;

  test(`${kind} gets exactly the defaults of the contract`, () => {
    assert.deepEqual(plain(Task.parse({ kind, ...given })), { kind, ...expected });
  });

  test(`${kind} takes null for every field that may be absent`, () => {
    const nulls = Object.fromEntries(Object.keys(full).map((key) => [key, null]));
    assert.deepEqual(plain(Task.parse({ ...nulls, kind, ...given })), { kind, ...expected });
  });

  test(`${kind} with every field is read unchanged, and unknown fields are dropped`, () => {
    assert.deepEqual(Task.parse({ ...full, somethingNew: true }), full);
  });

  for (const key of Object.keys(given)) {
    test(`${kind} needs ${key}`, () => {
      assert.equal(Task.safeParse({ kind }).success, false);
      assert.equal(Task.safeParse({ kind, ...given, [key]: null }).success, false);
    });
  }
}

test('a task without a kind, or of another one, is refused', () => {
  assert.equal(Task.safeParse({ prompt: 'p' }).success, false);
  assert.equal(Task.safeParse({ kind: 'images', prompt: 'p' }).success, false);
});

const seeds: [number, boolean][] = [
  [0, true],
  [2 ** 32, true],
  [Number.MAX_SAFE_INTEGER, true],
  [2 ** 53 + 2, true],
  [2 ** 63, true],
  [-1, false],
  [0.5, false],
  [2 ** 65, false],
];
for (const [seed, fine] of seeds) {
  test(`a seed of ${seed} is ${fine ? 'taken' : 'refused'}`, () => {
    assert.equal(Task.safeParse({ kind: 'image', prompt: 'p', seed }).success, fine);
  });
}

test('a seed above 2^53 arrives as the nearest number that JavaScript has', () => {
  const task = Task.parse(JSON.parse('{"kind":"image","prompt":"p","seed":18446744073709551615}'));
  assert.ok(task.kind === 'image');
  assert.equal(task.seed, 2 ** 64);
});

for (const field of ['width', 'height', 'steps'] as const) {
  for (const [value, fine] of [
    [0, true],
    [2 ** 32 - 1, true],
    [2 ** 32, false],
    [-1, false],
    [1.5, false],
    ['512', false],
  ] as const) {
    test(`an image ${field} of ${JSON.stringify(value)} is ${fine ? 'taken' : 'refused'}`, () => {
      assert.equal(Task.safeParse({ kind: 'image', prompt: 'p', [field]: value }).success, fine);
    });
  }
}

test('word and segment are the only timestamps', () => {
  const stt = { kind: 'audio_stt', inputUrl: 'u' };
  assert.ok(Task.safeParse({ ...stt, timestamps: 'segment' }).success);
  assert.equal(Task.safeParse({ ...stt, timestamps: 'letter' }).success, false);
});

test('the prompt sent back is the whole text of what the job was about', () => {
  assert.deepEqual(fullTasks.map(fullPrompt), ['a fox', 'third', 'https://h/a.wav', 'hello', 'a river']);
  assert.equal(fullPrompt(Task.parse({ kind: 'llm', messages: [] })), '');
  const long = 'x'.repeat(10_000);
  assert.equal(fullPrompt(Task.parse({ kind: 'audio_tts', text: long })), long);
});
