import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PIECE_LENGTH_MAX, sentencesOf } from '../../../src/engines/piper/sentences.ts';

test('a text is cut at the ends of its sentences', () => {
  for (const [text, pieces] of [
    ['Hello there. How are you? Fine!', ['Hello there.', 'How are you?', 'Fine!']],
    ['no end', ['no end']],
    ['One line\nand another\r\n\r\nand a third', ['One line', 'and another', 'and a third']],
    ['彼は来た。私は行った！本当？はい', ['彼は来た。', '私は行った！', '本当？', 'はい']],
    ['你好。今天3.5度，冷！', ['你好。', '今天3.5度，冷！']],
  ] as const) {
    assert.deepEqual(sentencesOf(text), pieces);
  }
});

test('abbreviations, initials and numbers are no ends', () => {
  for (const text of [
    'Dr. Smith paid $3.14 to J. R. Tolkien at 5 p.m. today.',
    'See Fig. 3 and Prof. Lee, i.e. both.',
    'Siehe z.B. Abb. 3 im Anhang.',
    '1. First of all.',
    'Version 1.2.3 costs 1,000.50 euros.',
  ]) {
    assert.deepEqual(sentencesOf(text), [text]);
  }
});

test('what cannot be spoken belongs to what was said before, and alone is nothing', () => {
  assert.deepEqual(sentencesOf('Wait. ... And then?'), ['Wait. ...', 'And then?']);
  for (const text of ['', '  \n\t', '...', '?!', '—', '🙂']) assert.deepEqual(sentencesOf(text), []);
});

test('a sentence that is too long is cut at a pause, a word that is too long anywhere but in a character', () => {
  const list = sentencesOf('word, '.repeat(100), 100);
  assert.ok(list.every((piece) => piece.endsWith(',') && piece.length <= 100));
  assert.deepEqual(
    sentencesOf('x'.repeat(250), 100).map(({ length }) => length),
    [100, 100, 50],
  );
  const emoji = sentencesOf(`a${'😀'.repeat(100)}b${'😀'.repeat(100)}c`, 101);
  assert.ok(emoji.join('').isWellFormed());
});

test('nothing that can be spoken is lost, and no piece is longer than the most', () => {
  const words = (text: string) => text.normalize('NFC').replace(/[^\p{L}\p{N}]/gu, '');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 1_500 }), (text) => {
      const pieces = sentencesOf(text);
      assert.equal(words(pieces.join('')), words(text));
      assert.ok(pieces.every((piece) => /[\p{L}\p{N}]/u.test(piece)));
    }),
  );
  fc.assert(
    fc.property(fc.lorem({ mode: 'sentences', maxCount: 20 }), (text) => {
      assert.ok(sentencesOf(text.replaceAll('.', '')).every(({ length }) => length <= PIECE_LENGTH_MAX));
    }),
  );
});
