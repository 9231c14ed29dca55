// The stages of stopping, by request and by real signals to a child process.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { listenForStop, nextStage, type StopStage } from '../../src/supervisor/stop.ts';

test('each request goes one stage further, and the last stays', () => {
  const stages: StopStage[] = ['running', 'draining', 'cancelling', 'leaving'];
  assert.deepEqual(stages.map(nextStage), ['draining', 'cancelling', 'leaving', 'leaving']);
});

test('the first request drains, the second cancels, the third leaves', () => {
  const said: string[] = [];
  using stop = listenForStop((stage, why) => said.push(`${stage} ${why}`));
  assert.deepEqual([stop.stage, stop.draining.aborted, stop.cancelling.aborted], ['running', false, false]);
  stop.request('one');
  assert.deepEqual([stop.stage, stop.draining.aborted, stop.cancelling.aborted], ['draining', true, false]);
  stop.request('two');
  assert.deepEqual([stop.stage, stop.draining.aborted, stop.cancelling.aborted], ['cancelling', true, true]);
  stop.request('three');
  stop.request('four');
  assert.equal(stop.stage, 'leaving');
  assert.deepEqual(said, ['draining one', 'cancelling two', 'leaving three', 'leaving four']);
});

test('the stage is new before anyone hears of it', () => {
  const stages: StopStage[] = [];
  using stop = listenForStop(() => stages.push(stop.stage));
  stop.draining.addEventListener('abort', () => stages.push(stop.stage));
  stop.request('x');
  assert.deepEqual(stages, ['draining', 'draining']);
});

test('signals are listened to only until the stop is disposed', () => {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const counts = (): number[] => signals.map((signal) => process.listenerCount(signal));
  const before = counts();
  {
    using _stop = listenForStop(() => {});
    assert.deepEqual(
      counts(),
      before.map((count) => count + 1),
    );
  }
  assert.deepEqual(counts(), before);
});

const CHILD = `
  import { listenForStop } from ${JSON.stringify(new URL('../../src/supervisor/stop.ts', import.meta.url).href)};
  const awake = setInterval(() => {}, 60_000);
  const stop = listenForStop((stage, why) => {
    console.log(stage, why);
    if (stage === 'leaving') { stop[Symbol.dispose](); clearInterval(awake); }
  });
  console.log('ready');
`;

function startChild(): ChildProcess {
  return spawn(process.execPath, ['--input-type=module-typescript', '-e', CHILD], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('real signals go through the stages, whichever they are', { skip: process.platform === 'win32' }, async () => {
  const child = startChild();
  assert.ok(child.stdout);
  const exit = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async (): Promise<string | undefined> => (await lines.next()).value;
  assert.equal(await line(), 'ready');
  for (const [signal, expected] of [
    ['SIGTERM', 'draining SIGTERM'],
    ['SIGHUP', 'cancelling SIGHUP'],
    ['SIGINT', 'leaving SIGINT'],
  ] as const) {
    child.kill(signal);
    assert.equal(await line(), expected);
  }
  assert.deepEqual(await exit, [0, null]);
});
