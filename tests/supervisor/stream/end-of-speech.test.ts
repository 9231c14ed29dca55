// When somebody has ended speaking, as tables: what was heard, and where the end is found.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Endpoint,
  hearSamples,
  type Listening,
  SAMPLE_RATE,
  SILENT_START,
} from '../../../src/supervisor/stream/end-of-speech.ts';

type Part = readonly [kind: 'speech' | 'hush' | 'murmur', ms: number];

/** A square wave has its amplitude as RMS; the threshold is 0.018. */
const AMPLITUDES = { speech: 0.0182, murmur: 0.0178, hush: 0 } as const;

function samplesOf(parts: readonly Part[]): Int16Array {
  const lengthOf = ([, ms]: Part) => (ms * SAMPLE_RATE) / 1000;
  const sound = new Int16Array(parts.reduce((length, part) => length + lengthOf(part), 0));
  let at = 0;
  for (const part of parts) {
    const level = Math.round(AMPLITUDES[part[0]] * 32_768);
    for (const end = at + lengthOf(part); at < end; at += 1) sound[at] = at % 2 === 0 ? level : -level;
  }
  return sound;
}

/** Where the stream ends, in ms; undefined: it goes on. */
function endOf(sound: Int16Array, endpoint: Endpoint, pieceMs: number): number | undefined {
  const piece = (pieceMs * SAMPLE_RATE) / 1000;
  let listening: Listening = SILENT_START;
  for (let at = 0; at < sound.length; at += piece) {
    const heard = hearSamples(listening, sound.subarray(at, at + piece), endpoint);
    if (heard.ended) return ((at + heard.used) * 1000) / SAMPLE_RATE;
    listening = heard.listening;
  }
  return undefined;
}

const TABLE: readonly [what: string, parts: readonly Part[], server: number | undefined, client: number | undefined][] =
  [
    ['nothing', [], undefined, undefined],
    ['silence alone is no end for the server', [['hush', 29_800]], undefined, undefined],
    ['silence alone is the client’s ceiling', [['hush', 31_000]], undefined, 30_000],
    ['speech alone', [['speech', 60_000]], undefined, undefined],
    // Eight windows are the first whole number of them that is 1500 ms or more.
    [
      'a pause after speech',
      [
        ['speech', 1_000],
        ['hush', 3_000],
      ],
      2_600,
      undefined,
    ],
    [
      'a pause that is too short',
      [
        ['speech', 1_000],
        ['hush', 1_400],
        ['speech', 1_000],
      ],
      undefined,
      undefined,
    ],
    [
      'a pause that is just too short',
      [
        ['speech', 1_000],
        ['hush', 1_400],
        ['speech', 200],
        ['hush', 1_400],
      ],
      undefined,
      undefined,
    ],
    [
      'the pause begins anew with each word',
      [
        ['speech', 400],
        ['hush', 1_400],
        ['speech', 200],
        ['hush', 1_600],
      ],
      3_600,
      undefined,
    ],
    [
      'a murmur below the threshold is silence',
      [
        ['speech', 200],
        ['murmur', 1_600],
      ],
      1_800,
      undefined,
    ],
    ['a murmur alone is no speech', [['murmur', 10_000]], undefined, undefined],
    [
      'silence first',
      [
        ['hush', 10_000],
        ['speech', 200],
        ['hush', 1_600],
      ],
      11_800,
      undefined,
    ],
    [
      'half a window of speech, twice as quiet in all',
      [
        ['murmur', 100],
        ['hush', 100],
        ['hush', 4_000],
      ],
      undefined,
      undefined,
    ],
    [
      'speech does not reset the client’s ceiling by more than itself',
      [
        ['hush', 29_800],
        ['speech', 200],
        ['hush', 30_000],
      ],
      31_600,
      60_000,
    ],
    [
      'what comes after the end is not looked at',
      [
        ['speech', 200],
        ['hush', 1_600],
        ['speech', 10_000],
      ],
      1_800,
      undefined,
    ],
  ];

describe('the end of speech', () => {
  for (const [what, parts, server, client] of TABLE) {
    test(what, () => {
      const sound = samplesOf(parts);
      // However the sound is cut into messages, where it is short down to two samples.
      for (const pieceMs of [137, 200, 5_000, 100_000, ...(sound.length < 100_000 ? [0.125, 20] : [])]) {
        assert.equal(endOf(sound, 'server', pieceMs), server, `server, ${pieceMs} ms a message`);
        assert.equal(endOf(sound, 'client', pieceMs), client, `client, ${pieceMs} ms a message`);
      }
    });
  }

  test('the loudest sample there is does not overflow', () => {
    const heard = hearSamples(SILENT_START, new Int16Array(SAMPLE_RATE).fill(-32_768), 'server');
    assert.deepEqual(heard, {
      listening: { spoke: true, silentMs: 0, samples: 0, squares: 0 },
      ended: false,
      used: SAMPLE_RATE,
    });
  });
});
