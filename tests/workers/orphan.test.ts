// Nothing outlives its owner: not a killed supervisor, and not a host that was closed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { ears, isAlive, openRig, pidOf, syntheticJob, testJob } from './rig.ts';

test('engine processes end when the supervisor is killed, also one in an endless loop', async () => {
  const program = fileURLToPath(new URL('../../fixtures/workers/hang-host.ts', import.meta.url));
  const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const { pids, root } = JSON.parse(line) as { pids: number[]; root: string };
  assert.deepEqual(pids.map(isAlive), [true, true]);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  // Their end can only be seen by looking: they are no children of ours.
  const killedAt = performance.now();
  while (pids.some(isAlive)) {
    assert.ok(performance.now() - killedAt < 60_000, 'an engine process outlived its supervisor');
    await sleep(10);
  }
  await rm(root, { recursive: true, force: true });
});

describe('a host that is closed', () => {
  test('hands its jobs back, and leaves no process', async () => {
    const rig = await openRig({ extraEngines: [testEngine()], cancelGraceMs: 200 });
    const { host } = rig;
    const idle = pidOf(await host.run(testJob({}, { kind: 'audio_stt' }), ears()).done);
    const deaf = ears();
    const jobs = [
      host.run(testJob({ hang: 'loop' }), deaf),
      host.run(testJob({ ms: 60_000 }, { kind: 'image' }), ears()),
      host.run(testJob({}, { kind: 'video', model: 'test-load-hang' }), ears()),
      host.run(testJob({}, { kind: 'audio_tts' }), ears()),
    ];
    const ends = Promise.allSettled(jobs.map(({ done }) => done));
    await deaf.running;
    const pids = [idle, ...host.models().flatMap(({ pid }) => pid ?? [])];
    const closedAt = performance.now();
    await rig[Symbol.asyncDispose]();
    assert.ok(performance.now() - closedAt < 30_000);
    for (const end of await ends) assert.equal(end.status === 'rejected' && end.reason.code, 'SHUTDOWN');
    assert.deepEqual(pids.filter(isAlive), []);
    assert.deepEqual(host.models(), []);
    assert.deepEqual(host.verdict(testJob()), { kind: 'busy', why: 'the worker is stopping' });
    await assert.rejects(host.run(testJob(), ears()).done, { code: 'SHUTDOWN' });
    await host[Symbol.asyncDispose]();
  });

  test('does not wait for a thread that is stuck', async () => {
    const rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], cancelGraceMs: 100 });
    const stuck = ears();
    const run = rig.host.run(testJob({ hang: 'loop' }), stuck);
    const end = assert.rejects(run.done, { code: 'SHUTDOWN' });
    await stuck.running;
    const closedAt = performance.now();
    await rig[Symbol.asyncDispose]();
    await end;
    assert.ok(performance.now() - closedAt < 30_000);
  });

  test('leaves the process free to end', async () => {
    const before = process.getActiveResourcesInfo();
    const rig = await openRig({ extraEngines: [testEngine()], keepAliveMs: 60_000 });
    await rig.host.run(syntheticJob('llm'), ears()).done;
    await rig.host.run(testJob({}, { kind: 'image' }), ears()).done;
    await rig[Symbol.asyncDispose]();
    // Closed handles are swept with the next turns of the loop.
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    const left = process.getActiveResourcesInfo().filter((name) => name !== 'Immediate');
    for (const name of before) if (left.includes(name)) left.splice(left.indexOf(name), 1);
    assert.deepEqual(left, []);
  });
});
