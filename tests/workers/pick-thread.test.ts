import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pickThread } from '../../src/workers/pick-thread.ts';

type Row = [id: string, working: string | undefined, places: number, ...warm: string[]];

function threads(rows: Row[]) {
  return rows.map(([id, working, places, ...warm]) => ({ id, working, places, warm: new Set(warm) }));
}

describe('the thread for a job', () => {
  const cases: { name: string; rows: Row[]; concurrency?: number; picked: string | undefined }[] = [
    { name: 'none in a pool without threads', rows: [], picked: undefined },
    {
      name: 'is idle',
      rows: [
        ['1', 'other', 1],
        ['2', undefined, 0],
      ],
      picked: '2',
    },
    {
      name: 'is none when all work on other models',
      rows: [
        ['1', 'other', 1],
        ['2', 'third', 1],
      ],
      picked: undefined,
    },
    {
      name: 'holds the model',
      rows: [
        ['1', undefined, 0],
        ['2', undefined, 0, 'm'],
      ],
      picked: '2',
    },
    {
      name: 'has the fewest models when none holds it',
      rows: [
        ['1', undefined, 0, 'a', 'b'],
        ['2', undefined, 0, 'c'],
      ],
      picked: '2',
    },
    {
      name: 'works on the model and has a place',
      rows: [
        ['1', undefined, 0],
        ['2', 'm', 1, 'm'],
      ],
      concurrency: 2,
      picked: '2',
    },
    {
      name: 'has the most free places',
      rows: [
        ['1', 'm', 2, 'm'],
        ['2', 'm', 1, 'm'],
      ],
      concurrency: 3,
      picked: '2',
    },
    {
      name: 'is another one when its places are taken',
      rows: [
        ['1', undefined, 0],
        ['2', 'm', 2, 'm'],
      ],
      concurrency: 2,
      picked: '1',
    },
    {
      name: 'does not hold the model while at work on another',
      rows: [
        ['1', 'x', 1, 'm', 'x'],
        ['2', undefined, 0],
      ],
      picked: '2',
    },
    { name: 'is none when its places are taken and nobody is idle', rows: [['1', 'm', 1, 'm']], picked: undefined },
  ];
  for (const { name, rows, concurrency = 1, picked } of cases) {
    test(name, () => assert.equal(pickThread(threads(rows), 'm', concurrency)?.id, picked));
  }
});
