// What a run receives while it goes on, through real threads and engine processes: in order, no faster than it is taken,
// and let go on every way out.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { testEngine } from '../../fixtures/engines/descriptor.ts';
import type { Behaviour } from '../../fixtures/engines/test-engine.ts';
import { Failure } from '../../src/protocol/failure.ts';
import { INPUT_WINDOW_BYTES } from '../../src/workers/run-input.ts';
import type { HostJob } from '../../src/workers/types.ts';
import { ears, openRig, testJob } from './rig.ts';

const CHUNK = 4_000;
/** A busy machine may keep an engine process from its turn for seconds. */
const STALL_MS = 5_000;

function streamJob(behaviour: Behaviour, input?: AsyncIterable<Uint8Array>, model = 'test-stream'): HostJob {
  return {
    ...testJob({}, { kind: 'audio_stt', model }),
    task: { kind: 'audio_stt', operation: 'stream', language: JSON.stringify(behaviour) },
    ...(input && { input }),
  };
}

/** Counts what was asked of it, and says when it was let go. */
function source(chunks: number, { endless = false, failure }: { endless?: boolean; failure?: Error } = {}) {
  const digest = createHash('sha256');
  const left = Promise.withResolvers<void>();
  const given = { chunks: 0 };
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      while (given.chunks < chunks) {
        given.chunks += 1;
        const chunk = new Uint8Array(CHUNK).fill(given.chunks % 251);
        digest.update(chunk);
        yield chunk;
      }
      if (failure) throw failure;
      if (endless) await new Promise(() => {});
    } finally {
      left.resolve();
    }
  }
  return { given, left: left.promise, input: { [Symbol.asyncIterator]: read }, sha256: () => digest.digest('hex') };
}

for (const isolation of ['process', 'thread'] as const) {
  describe(`input of a run in a ${isolation}`, () => {
    const opening = openRig({ extraEngines: [testEngine({ isolation, streams: true })] });
    after(async () => (await opening)[Symbol.asyncDispose]());

    test('arrives whole and in order, and partial texts come back', async () => {
      const { host } = await opening;
      const { input, sha256 } = source(500);
      const partials: string[] = [];
      const run = host.run(streamJob({ listen: {} }, input), { ...ears(), partial: (text) => partials.push(text) });
      const result = await run.done;
      assert.deepEqual(result, { kind: 'json', value: { bytes: 500 * CHUNK, sha256: sha256() } });
      assert.deepEqual([partials.length, partials.at(-1)], [500, String(500 * CHUNK)]);
    });

    test('is read no faster than the engine takes it', async () => {
      const { host } = await opening;
      const { input, given, left } = source(10_000);
      const first = Promise.withResolvers<void>();
      const run = host.run(streamJob({ listen: { slow: 100 } }, input), { ...ears(), partial: () => first.resolve() });
      await first.promise;
      // The window, one chunk that waits for room in it, and what was taken since.
      assert.ok(given.chunks <= INPUT_WINDOW_BYTES / CHUNK + 10, `${given.chunks} chunks`);
      run.cancel('CANCELLED', 'enough');
      await assert.rejects(run.done, { code: 'CANCELLED' });
      await left;
    });
  });
}

describe('the watchdog of a run with input', () => {
  const opening = openRig({ extraEngines: [testEngine({ streams: true, runStallMs: STALL_MS })] });
  after(async () => (await opening)[Symbol.asyncDispose]());

  test('waits for as long as there is none', async () => {
    const { host } = await opening;
    const gate = Promise.withResolvers<void>();
    async function* late(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(2);
      await gate.promise;
      yield new Uint8Array(2);
    }
    const job = streamJob({ listen: {} }, late());
    const run = host.run(job, ears());
    // Longer than `runStallMs`: the watchdog must have looked and gone on waiting.
    setTimeout(() => gate.resolve(), STALL_MS + 1_000);
    assert.equal(((await run.done) as { value: { bytes: number } }).value.bytes, 4);
  });

  test('kills an engine that does not take it', async () => {
    const { host } = await opening;
    const { input, left } = source(200);
    const run = host.run(streamJob({ listen: { first: true } }, input), ears());
    await assert.rejects(run.done, { code: 'ENGINE_HUNG', message: /made no progress for 5000 ms/ });
    await left;
  });
});

describe('the source of a run', () => {
  const opening = openRig({ extraEngines: [testEngine({ streams: true })] });
  after(async () => (await opening)[Symbol.asyncDispose]());

  test('that fails stops the run with its failure', async () => {
    const { host } = await opening;
    const { input } = source(3, { failure: new Failure('INPUT_INVALID', 'the speaker has left') });
    await assert.rejects(host.run(streamJob({ listen: {} }, input), ears()).done, {
      code: 'INPUT_INVALID',
      message: 'the speaker has left',
    });
  });

  test('is let go when the run is cancelled while it waits for more', async () => {
    const { host } = await opening;
    const stuck = Promise.withResolvers<never>();
    let returned = 0;
    const input: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => stuck.promise,
        async return() {
          returned += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    const heard = ears();
    const run = host.run(streamJob({ listen: {} }, input), heard);
    await heard.running;
    run.cancel('CANCELLED', 'the client has gone');
    await assert.rejects(run.done, { code: 'CANCELLED', message: 'the client has gone' });
    assert.equal(returned, 1);
    // The engine was told, so the model is free for the next run.
    const next = source(1);
    await host.run(streamJob({ listen: {} }, next.input), ears()).done;
  });

  test('is let go when the engine dies', async () => {
    const { host } = await opening;
    const { input, left } = source(1, { endless: true });
    await assert.rejects(host.run(streamJob({ abort: true }, input, 'test-abort'), ears()).done, {
      code: 'ENGINE_CRASHED',
    });
    // An iterator that waits cannot be interrupted; nothing but the run is over.
    void left;
  });

  test('may be missing, and a task that needs none has none', async () => {
    const { host } = await opening;
    const { done } = host.run(testJob({ listen: {} }), ears());
    assert.deepEqual(await done, { kind: 'json', value: { input: false } });
  });
});

test('live speech is refused by an engine that cannot hear it', async () => {
  await using rig = await openRig({ extraEngines: [testEngine()] });
  const job = streamJob({}, source(1).input);
  assert.deepEqual(rig.host.verdict(job), {
    kind: 'never',
    code: 'KIND_UNSUPPORTED',
    why: 'test engine cannot serve live speech',
  });
  await assert.rejects(rig.host.run(job, ears()).done, { code: 'KIND_UNSUPPORTED' });
});
