import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openReasoning } from '../../../src/engines/llama-cpp/reasoning.ts';

function split(pieces: readonly string[], opened: boolean) {
  const told: string[] = [];
  const reasoning = openReasoning(opened, (piece) => void told.push(piece));
  const passed = pieces.map((piece) => reasoning.push(piece));
  const { rest, ...end } = reasoning.end();
  // What is told of the thought while it grows is the thought. A block that was never opened is known at the end alone.
  if (told.length > 0 || opened) assert.equal(told.join('').trim(), end.reasoning);
  assert.ok(!told.includes(''));
  return { passed: [...passed, rest], ...end };
}

for (const [title, opened, pieces, passed, content, thought] of [
  ['no thought', false, ['Hi', ' you', '\n'], ['Hi', ' you', '', ''], 'Hi you', ''],
  ['white space at both ends is dropped', false, [' \n', 'Hi ', ' '], ['', 'Hi', '', ''], 'Hi', ''],
  ['white space within is not', false, ['Hi ', ' you'], ['Hi', '  you', ''], 'Hi  you', ''],
  ['a block', false, ['<think>', ' a ', '</think>', '\n\nb'], ['', '', '', 'b', ''], 'b', 'a'],
  ['tags in pieces', false, [' <th', 'ink>a</th', 'ink> b'], ['', '', 'b', ''], 'b', 'a'],
  ['all in one piece', false, ['<think>a</think>b'], ['b', ''], 'b', 'a'],
  ['an empty block', false, ['<think>', '\n\n', '</think>', 'b'], ['', '', '', 'b', ''], 'b', ''],
  ['a block that the template opened', true, ['a', '</think>', 'b'], ['', '', 'b', ''], 'b', 'a'],
  ['a block that is never closed', true, ['a', ' b </th'], ['', '', ''], '', 'a b </th'],
  ['what looked like a tag', false, ['<th', 'e>'], ['', '<the>', ''], '<the>', ''],
  ['the beginning of a tag at the end', false, ['<thi'], ['', '<thi'], '<thi', ''],
  ['tags after the block are text', true, ['a</think>b</think>'], ['b</think>', ''], 'b</think>', 'a'],
  ['a block within the answer', false, ['so <think>a</think> b'], ['so <think>a</think> b', ''], 'b', 'so a'],
  ['nothing', false, [], [''], '', ''],
] as const) {
  test(title, () => assert.deepEqual(split(pieces, opened), { passed, content, reasoning: thought }));
}

test('however an answer is cut, it is split in the same way', () => {
  const unit = fc.constantFrom('<think>', '</think>', '<', '/', '>', 'th', ' ', '\n', 'a');
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 20 }), fc.boolean(), (pieces, opened) => {
      const { passed, ...whole } = split([pieces.join('')], opened);
      const cut = split([...pieces.join('')], opened);
      assert.deepEqual({ content: cut.content, reasoning: cut.reasoning }, whole);
      assert.equal(cut.passed.join(''), passed.join(''));
    }),
  );
});
