// What models really took: measured after a run, and reserved at the next load.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { MemoryFacts } from '../../src/workers/messages.ts';
import { peakRssBytes, vmHwmBytes } from '../../src/workers/peak-rss.ts';
import type { MeasuredModel, MemoryTruth } from '../../src/workers/types.ts';
import { ears, GIB, openRig, testJob } from './rig.ts';

function truth(peaks: number[] = []): MemoryTruth & { readonly heard: [MeasuredModel, MemoryFacts][] } {
  const heard: [MeasuredModel, MemoryFacts][] = [];
  return { heard, peakOf: () => peaks[0], measured: (model, facts) => void heard.push([model, facts]) };
}

for (const isolation of ['thread', 'process'] as const) {
  test(`a model in a ${isolation} is measured after each run, and its peak is kept`, async () => {
    const memory = truth();
    await using rig = await openRig({ extraEngines: [testEngine({ isolation })], memory });
    for (const holds of [5000, 9000, 7000]) await rig.host.run(testJob({ holds }), ears()).done;
    assert.deepEqual(
      memory.heard.map(([, { memoryBytes }]) => memoryBytes),
      [5000, 9000, 9000],
    );
    const [model, facts] = memory.heard[0] ?? [];
    const rssBytes = facts?.rssBytes;
    assert.deepEqual([model?.model, model?.engine, model?.reservedBytes], ['test-a', 'test', GIB]);
    assert.equal(rssBytes !== undefined && rssBytes > 10_000_000, isolation === 'process');
    assert.equal(rig.host.models()[0]?.memoryBytes, 9000);
  });
}

test('the RAM of an engine’s process is measured when the engine says nothing', async () => {
  const memory = truth();
  await using rig = await openRig({ extraEngines: [testEngine()], memory });
  await rig.host.run(testJob({ leakMb: 64 }, { model: 'test-unmeasured' }), ears()).done;
  const [, facts] = memory.heard[0] ?? [];
  assert.equal(facts?.memoryBytes, undefined);
  assert.ok((facts?.rssBytes ?? 0) > 64 * 1024 * 1024);
});

test('what was measured is reserved instead of the estimate, and never more than the budget', async () => {
  const cases: [peak: number, estimateGib: number, reserved: number][] = [
    [3 * GIB, 1, 3 * GIB],
    [GIB, 4, GIB],
    [9 * GIB, 4, 8 * GIB],
    // The estimate alone would have been refused.
    [GIB, 20, GIB],
  ];
  for (const [peak, gib, reserved] of cases) {
    await using rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], memory: truth([peak]) });
    const job = testJob({}, { gib });
    assert.equal(rig.host.verdict(job).kind, 'ready');
    await rig.host.run(job, ears()).done;
    assert.equal(rig.host.models()[0]?.bytes, reserved);
  }
});

test('the peak of a process is read where the system keeps it', () => {
  assert.equal(vmHwmBytes('VmPeak:\t  900 kB\nVmHWM:\t   123 kB\nVmRSS:\t 5 kB\n'), 123 * 1024);
  assert.equal(vmHwmBytes('Name:\tx\n'), undefined);
  const now = peakRssBytes();
  assert.ok(now >= process.memoryUsage.rss() * 0.9);
  if (process.platform === 'linux') assert.ok(now <= (vmHwmBytes(readFileSync('/proc/self/status', 'utf8')) ?? 0));
});
