// The small parts that need no host: the byte window, the child's environment, lines, the model's key, owned bytes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openByteWindow } from '../../src/workers/byte-window.ts';
import { childEnv } from '../../src/workers/child-env.ts';
import { openLineSplitter } from '../../src/workers/lines.ts';
import { modelRef } from '../../src/workers/model-key.ts';
import { ownBytes } from '../../src/workers/own-bytes.ts';
import { abortable, openTurns } from '../../src/workers/turns.ts';
import { syntheticJob } from './rig.ts';

describe('a byte window', () => {
  const never = new AbortController().signal;

  test('lets through what fits and holds the rest until it has been written', async () => {
    const window = openByteWindow(10);
    const order: string[] = [];
    await window.take(6, never);
    await window.take(4, never);
    const third = window.take(5, never).then(() => order.push('third'));
    window.give(4);
    await new Promise(setImmediate);
    order.push('four came back');
    window.give(6);
    await third;
    assert.deepEqual(order, ['four came back', 'third']);
  });

  test('lets a chunk larger than itself pass alone', async () => {
    const window = openByteWindow(10);
    await window.take(1, never);
    const large = window.take(99, never);
    window.give(1);
    await large;
  });

  test('lets go of a waiting sender when its run is cancelled', async () => {
    const window = openByteWindow(1);
    const controller = new AbortController();
    await window.take(1, controller.signal);
    const waiting = window.take(1, controller.signal);
    controller.abort(new Error('stop'));
    await assert.rejects(waiting, /stop/);
    await assert.rejects(window.take(1, controller.signal), /stop/);
  });
});

test('a child sees our environment without secrets', () => {
  const env = {
    PATH: '/bin',
    CUDA_VISIBLE_DEVICES: '0',
    HF_TOKEN: 'hf',
    STUDIO_TOKEN: 'x',
    SENTRY_DSN: 'x',
    aws_secret_access_key: 'x',
    API_KEY: 'x',
    PGPASSWORD: 'x',
  };
  assert.deepEqual(childEnv(env), { PATH: '/bin', CUDA_VISIBLE_DEVICES: '0' });
});

describe('printed text', () => {
  function split(parts: string[], clock: () => number = () => 0): string[] {
    const lines: string[] = [];
    const splitter = openLineSplitter((line) => lines.push(line), clock);
    for (const part of parts) splitter.push(part);
    splitter.end();
    return lines;
  }

  test('becomes lines, however it arrives', () => {
    assert.deepEqual(split(['one\ntw', 'o\r\n\n  thr', 'ee ', '\rfour']), ['one', 'two', '  three', 'four']);
  });

  test('is cut when a line has no end', () => {
    const lines = split(['x'.repeat(3_000), 'y'.repeat(3_000), '\nnext\n', `${'z'.repeat(5_000)}\n`]);
    assert.deepEqual(
      lines.map((line) => [line[0], line.length]),
      [
        ['x', 2_001],
        ['n', 4],
        ['z', 2_000],
      ],
    );
  });

  test('is counted, not kept, past two hundred lines a second', () => {
    let now = 0;
    const lines = split([...Array.from({ length: 250 }, (_, i) => `${i}\n`)], () => now);
    assert.equal(lines.length, 200);
    const more: string[] = [];
    const splitter = openLineSplitter(
      (line) => more.push(line),
      () => now,
    );
    for (let i = 0; i < 230; i += 1) splitter.push(`${i}\n`);
    now = 1_000;
    splitter.push('later\n');
    assert.deepEqual(more.slice(-2), ['(30 more lines in one second)', 'later']);
  });
});

test('a model is the same when engine, name, files and settings are, in any order', () => {
  const { source } = syntheticJob('llm');
  const key = (model: string, more: object = {}) => modelRef(model, { ...source, ...more }).key;
  const { cliDefaults } = source;
  const turned = Object.fromEntries(Object.entries(cliDefaults).toReversed());
  assert.equal(key('a'), key('a', { cliDefaults: turned }));
  const others = [
    key('b'),
    key('a', { engine: 'other' }),
    key('a', { cliDefaults: { ...cliDefaults, steps: 2 } }),
    key('a', { files: [{ role: 'model', url: 'https://x/y', filename: 'y' }] }),
  ];
  assert.equal(new Set([key('a'), ...others]).size, 5);
});

test('a chunk is given away as it is when it owns its buffer, else copied', () => {
  const whole = new Uint8Array([1, 2, 3]);
  assert.equal(ownBytes(whole).buffer, whole.buffer);
  const view = new Uint8Array([0, 1, 2, 3]).subarray(1);
  assert.notEqual(ownBytes(view).buffer, view.buffer);
  const pooled = Buffer.from('abc');
  assert.deepEqual([...ownBytes(pooled)], [97, 98, 99]);
  structuredClone(ownBytes(pooled), { transfer: [ownBytes(pooled).buffer] });
});

describe('turns', () => {
  test('go one at a time, and an aborted one is skipped', async () => {
    const turns = openTurns();
    const controller = new AbortController();
    const { signal } = new AbortController();
    const first = Promise.withResolvers<void>();
    const order: string[] = [];
    const one = turns.take(signal, () => first.promise);
    const two = turns.take(controller.signal, async () => order.push('two'));
    const three = turns.take(signal, async () => order.push('three'));
    controller.abort(new Error('stop'));
    await assert.rejects(two, /stop/);
    assert.deepEqual(order, []);
    first.resolve();
    await Promise.all([one, three]);
    assert.deepEqual(order, ['three']);
  });

  test('waiting ends with the promise when nothing is aborted', async () => {
    assert.equal(await abortable(Promise.resolve(7), new AbortController().signal), 7);
  });
});
