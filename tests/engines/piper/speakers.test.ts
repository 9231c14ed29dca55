import assert from 'node:assert/strict';
import { test } from 'node:test';
import { speakerId, speakersOf } from '../../../src/engines/piper/speakers.ts';

test('a voice is found by number, by either source of names, or is the first', () => {
  const kokoro = speakersOf(2, new Map([['speaker_names', 'af_bella, am_adam']]), undefined);
  assert.deepEqual(
    ['default', '', ' AM_adam ', '1', '0'].map((voice) => speakerId(voice, kokoro)),
    [0, 0, 1, 1, 0],
  );
  const piper = speakersOf(4, new Map(), { speaker_id_map: { p225: 3, broken: 9, odd: 'x' } });
  assert.deepEqual(
    ['p225', '2'].map((voice) => speakerId(voice, piper)),
    [3, 2],
  );
  assert.throws(() => speakerId('broken', piper), { code: 'INPUT_INVALID', message: /it has: default, p225, 0 to 3$/ });
});

test('a model that speaks of no speakers has one, and a crowd is not listed in full', () => {
  assert.equal(speakerId('0', speakersOf(0, new Map(), undefined)), 0);
  assert.throws(() => speakerId('1', speakersOf(1, new Map(), undefined)), { message: /it has: default, 0$/ });
  const names = Array.from({ length: 100 }, (_, i) => `s${i}`).join(',');
  const crowd = speakersOf(100, new Map([['speaker_names', names]]), null);
  assert.throws(() => speakerId('x', crowd), { message: /s59, and 40 more$/ });
});
