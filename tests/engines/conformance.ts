// What every engine must do, whatever it is. An engine's own test calls this with jobs for a model it has, and gets a
// host in which the engine runs as it will at work: in a thread, or in an engine process.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EngineDescriptor, EngineSettings } from '../../src/engines/engine.ts';
import type { HostJob, JobResult } from '../../src/workers/types.ts';
import { type Ears, ears, isAlive, openRig } from '../workers/rig.ts';

export type Conformance = {
  readonly title: string;
  readonly extraEngines: readonly EngineDescriptor[];
  /** What the engine is told; `modelsRoot` may hold the jobs' model files: `<sanitised model id>/<filename>`. */
  readonly settings?: Partial<EngineSettings>;
  /** One job for each kind of the engine, each quick. */
  readonly jobs: readonly HostJob[];
  /** A job that reports progress or a token well before its end, so that it can be cancelled in between. */
  readonly slowJob: HostJob;
  /** A job that the engine must refuse, since the job itself is wrong. */
  readonly wrongJob: HostJob;
};

export function conformance({ title, extraEngines, settings = {}, jobs, slowJob, wrongJob }: Conformance): void {
  const open = (keepAliveMs = -1) => openRig({ extraEngines, keepAliveMs, engine: settings });

  describe(`${title} conforms`, () => {
    for (const job of jobs) {
      const { kind } = job.task;
      test(`${kind}: loads, runs twice, and reports progress that only rises`, async () => {
        await using rig = await open();
        const cold = job.source.files.length > 0 ? ['fetching', 'loading', 'running'] : ['loading', 'running'];
        for (const phases of [cold, ['running']]) {
          const heard = ears();
          const result = await rig.host.run(job, heard).done;
          assert.deepEqual(heard.phases, phases);
          checkProgress(heard);
          checkResult(kind, result, heard);
        }
      });
    }

    test('a cancelled run stops, and the model runs again', async () => {
      await using rig = await open();
      const heard = ears();
      const run = rig.host.run(slowJob, heard);
      await heard.started;
      run.cancel('CANCELLED', 'conformance');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      const again = ears();
      await rig.host.run(slowJob, again).done;
      assert.deepEqual(again.phases, ['running']);
    });

    test('a wrong job is refused for good, and the model stays', async () => {
      await using rig = await open();
      await assert.rejects(rig.host.run(wrongJob, ears()).done, { retryable: false });
      assert.equal(rig.host.models().length, 1);
    });

    test('a model that leaves frees what it held', async () => {
      await using rig = await open(0);
      const [job = slowJob] = jobs;
      const heard = ears();
      const run = rig.host.run(job, heard);
      await heard.running;
      const { pid } = rig.host.models()[0] ?? {};
      await run.done;
      await rig.until(() => rig.host.models().length === 0);
      assert.equal(pid !== undefined && isAlive(pid), false);
    });
  });
}

function checkProgress(heard: Ears): void {
  const ratios = heard.progressed.map(({ ratio }) => ratio);
  assert.ok(ratios.length + heard.tokens.length > 0, 'a run must show that it is alive');
  assert.deepEqual(
    ratios,
    ratios.toSorted((a, b) => a - b),
  );
  assert.ok(ratios.every((ratio) => ratio >= 0 && ratio <= 1));
}

function checkResult(kind: HostJob['task']['kind'], result: JobResult, heard: Ears): void {
  assert.equal(result.kind, kind === 'llm' || kind === 'audio_stt' ? 'json' : 'bytes');
  if (result.kind === 'json') return;
  assert.ok(result.byteLength > 0);
  assert.equal(Buffer.concat(heard.chunks).byteLength, result.byteLength);
  assert.match(result.ext, /^[a-z0-9]{1,8}$/);
}
