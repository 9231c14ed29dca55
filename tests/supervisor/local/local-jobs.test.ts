// Local jobs on a real host: results, waiting, deadlines, callers that leave, a full queue, and the end of the worker.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { WAITING_MAX } from '../../../src/supervisor/local/local-jobs.ts';
import { WAITING_BYTES_MAX } from '../../../src/supervisor/local/weight.ts';
import { openScene, request, type Scene } from './scene.ts';

/** A job that runs until it is told to stop; resolves once it does run. */
async function occupy(
  { local }: Scene,
  kind: 'llm' | 'image' = 'llm',
): Promise<{ leave(): void; ended: Promise<unknown> }> {
  const leaving = new AbortController();
  const runs = Promise.withResolvers<void>();
  const job = request(
    { ms: 60_000, tokens: ['x'] },
    { kind },
    {
      signal: leaving.signal,
      observer: { token: () => runs.resolve() },
    },
  );
  const ended = local.run(job).then(
    () => assert.fail('it hangs'),
    (failure: unknown) => failure,
  );
  await runs.promise;
  return { leave: () => leaving.abort(), ended };
}

/** What can be compared of a failure. */
function plain(failure: unknown): object {
  const { code, message, retryAfterSecs } = failure as { code: string; message: string; retryAfterSecs?: number };
  return { code, message, ...(retryAfterSecs !== undefined && { retryAfterSecs }) };
}

test('a text job gives its value; its tokens and its progress come while it runs', async () => {
  await using scene = await openScene();
  const heard: string[] = [];
  const { jobId, result } = await scene.local.run(
    request(
      { tokens: ['a', 'b'], steps: 2 },
      {},
      {
        observer: {
          started: (id) => heard.push(`started ${id.slice(0, 6)}`),
          token: (text) => heard.push(text),
          progress: ({ ratio }) => heard.push(String(ratio)),
        },
      },
    ),
  );
  assert.match(jobId, /^local-\d{13}-\d+$/);
  assert.equal(result.kind, 'json');
  assert.deepEqual(heard, ['started local-', 'a', 'b', '0.5', '1']);
  const [job] = scene.activity.recent('local');
  assert.deepEqual([job?.jobId, job?.status, job?.source, job?.model], [jobId, 'completed', 'local', 'test-a']);
  assert.deepEqual([scene.local.running(), scene.local.waiting('llm')], [[], 0]);
});

test('a picture is put together from its chunks', async () => {
  await using scene = await openScene();
  const { result } = await scene.local.run(request({ bytes: 200_000, chunk: 64_000, ext: 'png' }, { kind: 'image' }));
  assert.ok(result.kind === 'bytes');
  assert.deepEqual(
    [result.ext, result.bytes.byteLength, result.bytes[0], result.bytes[199_999]],
    ['png', 200_000, 0, 3],
  );
});

test('a job on a model that is loaded already is of the lane', async () => {
  await using scene = await openScene();
  for (let at = 0; at < 2; at += 1) await scene.local.run(request());
  assert.deepEqual(
    scene.activity.recent('local').map(({ source }) => source),
    ['lane', 'local'],
  );
});

test('fifty jobs at one place all get their own answers, in the order of asking', async () => {
  await using scene = await openScene();
  const order: number[] = [];
  const asked = Array.from({ length: 50 }, async (_, at) => {
    const { result } = await scene.local.run(request({ tokens: [String(at)] }));
    order.push(at);
    assert.ok(result.kind === 'json');
    return (result.value as { told: { tokens: string[] } }).told.tokens[0];
  });
  assert.deepEqual(
    await Promise.all(asked),
    Array.from({ length: 50 }, (_, at) => String(at)),
  );
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('what the studio is told of local jobs has nothing of what they are about', async () => {
  await using scene = await openScene();
  await scene.local.run(request({ tokens: ['a private word'] }));
  await assert.rejects(scene.local.run(request({ throw: 'a private failure' })), { message: /private/ });
  const shipped = JSON.stringify(scene.logs.ship.take(1_000));
  assert.match(shipped, /local-/);
  assert.doesNotMatch(shipped, /private/);
  assert.deepEqual(scene.session.sent, []);
  const [failed] = scene.activity.recent('local');
  assert.match(String(failed?.reason), /a private failure/);
  assert.match(JSON.stringify(scene.activity.logOf(String(failed?.jobId))), /a private failure/);
});

test('a failure of the engine is the caller’s, with its code', async () => {
  await using scene = await openScene();
  await assert.rejects(scene.local.run(request({ throw: 'no', code: 'INPUT_INVALID' })), { code: 'INPUT_INVALID' });
});

test('a job that can never run here is told so at once, though the place is taken', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  await assert.rejects(scene.local.run(request({}, { gib: 100, model: 'test-huge' })), { code: 'MODEL_TOO_LARGE' });
  other.leave();
  await other.ended;
});

test('a caller that leaves while it waits is gone from the queue; while it runs, the engine is stopped', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  const leaving = new AbortController();
  const waiting = scene.local.run(request({}, {}, { signal: leaving.signal }));
  assert.equal(scene.local.waiting('llm'), 1);
  leaving.abort();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  assert.equal(scene.local.waiting('llm'), 0);
  other.leave();
  assert.deepEqual(((await other.ended) as { code: string }).code, 'CANCELLED');
  await scene.local.idle();
  const listed = scene.activity.recent('local').map(({ status }) => status);
  assert.deepEqual(listed, ['failed'], 'only what ran is in the list');
});

test('a caller that has left before it asked costs nothing', async () => {
  await using scene = await openScene();
  const gone = AbortSignal.abort();
  await assert.rejects(scene.local.run(request({}, {}, { signal: gone })), { code: 'CANCELLED' });
  assert.deepEqual(scene.rig.host.models(), []);
});

test('a deadline ends a wait, and a run', async () => {
  await using scene = await openScene();
  const passed = { code: 'DEADLINE_PASSED', message: 'deadline passed: the caller stopped waiting' };
  const running = scene.local.run(request({ ms: 60_000 }, {}, { deadlineMs: 300 }));
  const waiting = scene.local.run(request({}, {}, { deadlineMs: 1 }));
  await assert.rejects(waiting, passed);
  await assert.rejects(running, passed);
  await scene.local.idle();
  assert.deepEqual((await scene.local.run(request())).result.kind, 'json', 'its place is free again');
  assert.equal(scene.activity.recent('local').at(-1)?.reason, passed.message);
});

for (const deadlineMs of [Number.POSITIVE_INFINITY, Number.NaN, 2 ** 40]) {
  test(`a deadline of ${deadlineMs} ms is none`, async () => {
    await using scene = await openScene();
    await scene.local.run(request({ ms: 20 }, {}, { deadlineMs }));
  });
}

test('a full queue refuses with a hint; other kinds are not concerned', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  const leaving = new AbortController();
  const waiting = Array.from({ length: WAITING_MAX }, () =>
    scene.local.run(request({}, {}, { signal: leaving.signal })),
  );
  const full = await scene.local.run(request()).catch((failure: unknown) => failure);
  assert.partialDeepStrictEqual(plain(full), { code: 'QUEUE_FULL', retryAfterSecs: 2 });
  assert.equal((await scene.local.run(request({ bytes: 3 }, { kind: 'image' }))).result.kind, 'bytes');
  leaving.abort();
  other.leave();
  for (const one of await Promise.allSettled(waiting)) assert.equal(one.status, 'rejected');
  assert.deepEqual(
    scene.recorder.refusals.samples().map(({ labels: { code }, value }) => [code, value]),
    [
      ['queue_full', 1],
      ['cancelled', WAITING_MAX],
    ],
  );
});

test('a queue of large tasks is full when they weigh too much together, and empty again when they have gone', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  const leaving = new AbortController();
  const text = 'x'.repeat(WAITING_BYTES_MAX / 4 - 1_000);
  const large = () => {
    const wanted = request({}, {}, { signal: leaving.signal });
    const task = { kind: 'llm', messages: [{ role: 'user', content: text }], maxTokens: 1, temperature: 0 } as const;
    return scene.local.run({ ...wanted, task: { ...task, messages: [...task.messages] } });
  };
  const waiting = [large(), large(), large(), large()];
  await assert.rejects(large(), { code: 'QUEUE_FULL' });
  leaving.abort();
  await Promise.allSettled(waiting);
  const small = scene.local.run(request());
  other.leave();
  await small;
});

test('while an update holds jobs back they wait, and count as idle when none runs', async () => {
  await using scene = await openScene();
  const held = scene.hold.hold();
  const waiting = scene.local.run(request());
  await scene.local.idle();
  assert.equal(scene.local.waiting('llm'), 1);
  held[Symbol.dispose]();
  assert.equal((await waiting).result.kind, 'json');
});

test('a worker that closes lets running jobs go on, and takes no others', async () => {
  await using scene = await openScene();
  const runs = Promise.withResolvers<void>();
  const running = scene.local.run(request({ ms: 100 }, {}, { observer: { started: () => runs.resolve() } }));
  await runs.promise;
  const waiting = scene.local.run(request());
  scene.local.close();
  await assert.rejects(waiting, { code: 'SHUTDOWN' });
  await assert.rejects(scene.local.run(request()), { code: 'SHUTDOWN' });
  assert.equal((await running).result.kind, 'json');
  await scene.local.idle();
});

test('a worker whose patience is over ends running jobs with SHUTDOWN', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  scene.local.cancelAll('the worker is stopping');
  assert.partialDeepStrictEqual(plain(await other.ended), { code: 'SHUTDOWN', message: 'the worker is stopping' });
  await scene.local.idle();
  assert.equal(scene.activity.recent('local')[0]?.status, 'failed');
});

test('the host that closes under running jobs leaves nobody waiting', async () => {
  await using scene = await openScene();
  const other = await occupy(scene);
  const waiting = scene.local.run(request());
  void waiting.catch(() => {});
  const closing = scene.rig.host[Symbol.asyncDispose]();
  assert.partialDeepStrictEqual(plain(await other.ended), { code: 'SHUTDOWN' });
  scene.local.close();
  await assert.rejects(waiting, { code: 'SHUTDOWN' });
  await closing;
  await turn();
});
