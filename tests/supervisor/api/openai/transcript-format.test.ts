import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatted,
  type Granularity,
  type Transcript,
} from '../../../../src/supervisor/api/openai/transcript-format.ts';

const TRANSCRIPT: Transcript = {
  text: 'Hello there. Bye & <go>',
  language: 'nl',
  duration: 3725.5,
  segments: [
    { start: 0, end: 1.25, text: ' Hello\n\nthere.', words: [{ word: 'Hello', start: 0, end: 0.5 }] },
    { start: 1.25, end: 1.3, text: '  ' },
    { start: 3661.001, end: 3725.4996, text: ' Bye & <go>', words: [{ word: 'Bye', start: 3661, end: 3662 }] },
  ],
};
const as = (format: Parameters<typeof formatted>[1], granularities: Granularity[] = ['segment']) =>
  formatted(TRANSCRIPT, format, { task: 'transcribe', granularities });

test('the five forms of a transcript', () => {
  assert.deepEqual(as('json'), { contentType: 'application/json', body: '{"text":"Hello there. Bye & <go>"}' });
  assert.deepEqual(as('text'), { contentType: 'text/plain; charset=utf-8', body: 'Hello there. Bye & <go>\n' });
  assert.equal(
    as('srt').body,
    '1\n00:00:00,000 --> 00:00:01,250\nHello\nthere.\n\n2\n01:01:01,001 --> 01:02:05,500\nBye & <go>\n\n',
  );
  assert.equal(
    as('vtt').body,
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello\nthere.\n\n01:01:01.001 --> 01:02:05.500\nBye &amp; &lt;go&gt;\n\n',
  );
  assert.deepEqual(JSON.parse(as('verbose_json').body), {
    ...{ task: 'transcribe', language: 'nl', duration: 3725.5, text: TRANSCRIPT.text },
    segments: [
      { id: 0, start: 0, end: 1.25, text: ' Hello\n\nthere.' },
      { id: 1, start: 1.25, end: 1.3, text: '  ' },
      { id: 2, start: 3661.001, end: 3725.4996, text: ' Bye & <go>' },
    ],
  });
});

test('words are given to those who ask for them, and a translation is English', () => {
  const words = JSON.parse(as('verbose_json', ['word']).body);
  assert.deepEqual(
    words.words.map(({ word }: { word: string }) => word),
    ['Hello', 'Bye'],
  );
  assert.equal(words.segments, undefined);
  const translated = formatted(TRANSCRIPT, 'verbose_json', { task: 'translate', granularities: ['segment'] });
  assert.partialDeepStrictEqual(JSON.parse(translated.body), { task: 'translate', language: 'en' });
});

test('an engine that knows no times makes one cue', () => {
  const options = { task: 'transcribe', granularities: ['segment'] } as const;
  const { body } = formatted({ text: 'all of it', duration: 2 }, 'srt', options);
  assert.equal(body, '1\n00:00:00,000 --> 00:00:02,000\nall of it\n\n');
  assert.equal(formatted({ text: '' }, 'vtt', options).body, 'WEBVTT\n\n');
});
