// What every engine must do, whatever it is. An engine's own test calls this with jobs for a model it has, and gets a
// host in which the engine runs as it will at work: in a thread, or in an engine process.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { EngineDescriptor, EngineSettings } from '../../src/engines/engine.ts';
import type { HostJob, JobResult } from '../../src/workers/types.ts';
import { type Ears, ears, isAlive, openRig, testJob } from '../workers/rig.ts';
import { NO_TREE_RSS, treeRssBytes } from '../workers/tree-rss.ts';

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
  /** Of an engine that writes text. */
  readonly text?: {
    /** A job whose stop string comes in pieces, and what the answer is without it. */
    readonly stopJob: HostJob;
    readonly stopped: string;
    /** A job whose prompt does not fit its context. */
    readonly overflowJob: HostJob;
  };
};

/** A model that is loaded and unloaded again and again must not leave more than this behind, in bytes: caches, heaps. */
const KEPT_BYTES_MAX = 48 * 1024 * 1024;
/** In a process of its own Node alone takes more than this, in bytes. */
const PROCESS_BYTES_MIN = 24 * 1024 * 1024;

export function conformance(engine: Conformance): void {
  const { title, settings = {}, jobs, slowJob, wrongJob, text } = engine;
  const [job = slowJob] = jobs;
  const neighbour = testEngine({ id: 'neighbour', models: {}, isolation: 'thread' });
  const extraEngines = [...engine.extraEngines, neighbour];
  const open = () => openRig({ extraEngines, engine: settings });

  describe(`${title} conforms`, () => {
    for (const each of jobs) {
      const { kind } = each.task;
      test(`${kind}: loads, runs twice, and reports progress that only rises`, async () => {
        await using rig = await open();
        const cold = each.source.files.length > 0 ? ['fetching', 'loading', 'running'] : ['loading', 'running'];
        for (const phases of [cold, ['running']]) {
          const heard = ears();
          const result = await rig.host.run(each, heard).done;
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

    test('a wrong job is refused for good, the model stays, and nothing of the job is left on disk', async () => {
      await using rig = await open();
      await assert.rejects(rig.host.run(wrongJob, ears()).done, { retryable: false });
      assert.equal(rig.host.models().length, 1);
      const left = await readdir(rig.scratchRoot, { recursive: true });
      assert.deepEqual(
        left.filter((name) => /run-\d/.test(name)),
        [],
      );
    });

    test('works beside a job of another kind, and its abort leaves that one alone', async () => {
      await using rig = await open();
      const { host } = rig;
      const gate = join(rig.root, 'gate');
      const [other, heard] = [ears(), ears()];
      const kind = slowJob.task.kind === 'image' ? 'audio_tts' : 'image';
      const beside = host.run(testJob({ gate }, { kind, engine: neighbour.id }), other);
      await other.started;
      const run = host.run(slowJob, heard);
      await heard.started;
      const { pid } = host.models().find(({ pool }) => pool === slowJob.task.kind) ?? {};
      if (pid === undefined) await run.done;
      else {
        process.kill(pid, 'SIGABRT');
        await assert.rejects(run.done, { code: 'ENGINE_CRASHED', retryable: true });
      }
      await writeFile(gate, '');
      assert.equal((await beside.done).kind, 'bytes');
      await host.run(job, ears()).done;
    });

    test('a model that leaves frees what it held', { skip: NO_TREE_RSS }, async () => {
      await using rig = await open();
      const { host } = rig;
      const use = async () => {
        await host.run(job, ears()).done;
        const [loaded] = host.models();
        assert.ok(loaded);
        const held = loaded.pid === undefined ? undefined : await treeRssBytes(loaded.pid);
        await host.unload(loaded.key, { drainMs: 0 });
        assert.deepEqual(host.models(), []);
        assert.equal(loaded.pid !== undefined && isAlive(loaded.pid), false);
        return held;
      };
      // The first time the pool's thread starts, which stays.
      await use();
      const before = await treeRssBytes();
      const held = await use();
      const kept = (await treeRssBytes()) - before;
      assert.ok(kept < KEPT_BYTES_MAX, `${kept} bytes were not given back`);
      assert.ok(held === undefined || held > PROCESS_BYTES_MIN, `the model held ${held} bytes`);
    });

    if (text === undefined) return;

    test('a stop string ends the text and is not in it, nor in what was streamed', async () => {
      await using rig = await open();
      const heard = ears();
      const result = await rig.host.run(text.stopJob, heard).done;
      assert.deepEqual([contentOf(result), heard.tokens.join('')], [text.stopped, text.stopped]);
    });

    test('a prompt that does not fit is refused for good, and never cut', async () => {
      await using rig = await open();
      const run = rig.host.run(text.overflowJob, ears());
      await assert.rejects(run.done, { code: 'INPUT_INVALID', retryable: false, message: /the context holds/ });
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
  const content = contentOf(result);
  // What is streamed is the answer, piece by piece.
  if (kind === 'llm' && content !== undefined) assert.equal(heard.tokens.join(''), content);
  if (result.kind === 'json') return;
  assert.ok(result.byteLength > 0);
  assert.equal(Buffer.concat(heard.chunks).byteLength, result.byteLength);
  assert.match(result.ext, /^[a-z0-9]{1,8}$/);
}

/** Of a chat completion. */
function contentOf(result: JobResult): string | undefined {
  if (result.kind !== 'json') return undefined;
  const { choices } = result.value as { choices?: { message?: { content?: string } }[] };
  return choices?.[0]?.message?.content;
}
