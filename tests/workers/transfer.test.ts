// Binary results: every byte arrives, in order, and a slow writer bounds what is in memory.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { WINDOW_BYTES } from '../../src/workers/byte-window.ts';
import { ears, openRig, testJob } from './rig.ts';

const MIB = 1024 * 1024;

for (const isolation of ['thread', 'process'] as const) {
  describe(`a result from a ${isolation}`, () => {
    test('arrives whole and in order', async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      for (const views of [false, true]) {
        const heard = ears();
        const behaviour = { bytes: 3 * MIB + 7, chunk: 100_000, ext: 'png', ...(views && { views: true as const }) };
        const result = await rig.host.run(testJob(behaviour, { kind: 'image' }), heard).done;
        assert.deepEqual(result, { kind: 'bytes', ext: 'png', byteLength: 3 * MIB + 7 });
        const all = Buffer.concat(heard.chunks);
        assert.equal(all.byteLength, 3 * MIB + 7);
        const wrong = all.findIndex((byte, i) => byte !== (views ? i : Math.floor(i / 100_000)) % 251);
        assert.equal(wrong, -1);
      }
    });

    test('larger than the window passes, as one chunk too', async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const heard = ears();
      const bytes = WINDOW_BYTES + MIB;
      await rig.host.run(testJob({ bytes, chunk: bytes }, { kind: 'image' }), heard).done;
      assert.deepEqual(
        heard.chunks.map(({ byteLength }) => byteLength),
        [bytes],
      );
    });

    test('of 256 MiB under a slow writer holds little memory', async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation, runStallMs: 1_500 })] });
      await rig.host.run(testJob({ bytes: 1 }, { kind: 'image' }), ears()).done;
      const before = process.memoryUsage().rss;
      let peak = before;
      let waited = false;
      const heard = ears(async () => {
        // Longer than the engine's silence may be: that it waits for us is not its fault.
        await sleep(waited ? 1 : 2_000);
        waited = true;
        peak = Math.max(peak, process.memoryUsage().rss);
      });
      const behaviour = { bytes: 256 * MIB, chunk: MIB };
      const result = await rig.host.run(testJob(behaviour, { kind: 'image' }), heard).done;
      assert.equal(result.kind === 'bytes' && result.byteLength, 256 * MIB);
      // The window, and what the garbage collector has not looked at yet: about 60 MiB whatever the length.
      assert.ok(peak - before < 112 * MIB, `grew by ${Math.round((peak - before) / MIB)} MiB`);
    });

    test('that cannot be written stops the job with the writer’s failure', async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const heard = ears(async () => {
        throw new Error('the disk is full');
      });
      const run = rig.host.run(testJob({ bytes: 64 * MIB, chunk: MIB }, { kind: 'image' }), heard);
      await assert.rejects(run.done, { code: 'OUTBOX_UNWRITABLE', message: 'the disk is full' });
      await rig.until(() => rig.host.verdict(testJob({}, { kind: 'image' })).kind === 'ready');
      assert.equal((await rig.host.run(testJob({}, { kind: 'image' }), ears()).done).kind, 'bytes');
    });

    test('can be cancelled while it is written', async () => {
      await using rig = await openRig({ extraEngines: [testEngine({ isolation })] });
      const wrote = Promise.withResolvers<void>();
      const heard = ears(async () => {
        wrote.resolve();
        await sleep(5);
      });
      const run = rig.host.run(testJob({ bytes: 64 * MIB, chunk: MIB }, { kind: 'image' }), heard);
      await wrote.promise;
      run.cancel('CANCELLED', 'the studio asked');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      assert.equal((await rig.host.run(testJob({}, { kind: 'image' }), ears()).done).kind, 'bytes');
    });
  });
}
