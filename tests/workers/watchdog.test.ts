import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeSilence, type Silence, type StallDecision } from '../../src/workers/stall.ts';
import { openWatchdog } from '../../src/workers/watchdog.ts';

describe('silence', () => {
  const cases: { name: string; silence: Silence; decision: StallDecision }[] = [
    {
      name: 'is normal at first',
      silence: { sinceMs: 0, limitMs: 60, waitsForUs: false },
      decision: { kind: 'lookAgain', inMs: 60 },
    },
    {
      name: 'is looked at when it would be too long',
      silence: { sinceMs: 45, limitMs: 60, waitsForUs: false },
      decision: { kind: 'lookAgain', inMs: 15 },
    },
    {
      name: 'is hung at the limit',
      silence: { sinceMs: 60, limitMs: 60, waitsForUs: false },
      decision: { kind: 'hung' },
    },
    {
      name: 'is hung a timer’s rounding before it',
      silence: { sinceMs: 59.5, limitMs: 60, waitsForUs: false },
      decision: { kind: 'hung' },
    },
    {
      name: 'says nothing while the engine waits for us',
      silence: { sinceMs: 900, limitMs: 60, waitsForUs: true },
      decision: { kind: 'lookAgain', inMs: 60 },
    },
  ];
  for (const { name, silence, decision } of cases) test(name, () => assert.deepEqual(judgeSilence(silence), decision));
});

test('a watchdog fires after silence, and the later the longer it was fed', async () => {
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const watchdog = openWatchdog(400, () => false, resolve);
    setTimeout(watchdog.feed, 100);
  });
  assert.ok(performance.now() - startedAt >= 498);
});

test('a watchdog that was stopped, or whose engine waits for us, stays quiet', async () => {
  let waits = true;
  const hung: string[] = [];
  const stopped = openWatchdog(
    10,
    () => false,
    () => hung.push('stopped'),
  );
  stopped.stop();
  await new Promise<void>((resolve) => {
    openWatchdog(10, () => waits, resolve);
    setTimeout(() => {
      hung.push('not yet');
      waits = false;
    }, 50);
  });
  assert.deepEqual(hung, ['not yet']);
});
