// One session after another: the pauses between them, when to give up, and stopping.
import assert from 'node:assert/strict';
import test from 'node:test';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { keepSession, type LoopEnd } from '../../../src/supervisor/session/session-loop.ts';
import { capabilities } from '../../protocol/samples.ts';
import { httpRefusal, type ScriptedStudio, scriptedStudio } from '../scripted-studio.ts';
import { tempDir } from '../temp-dir.ts';

type Scene = AsyncDisposable & {
  readonly studio: ScriptedStudio;
  readonly pauses: number[];
  readonly stop: AbortController;
  keep(reconnectAttempts: number): Promise<LoopEnd>;
  /** Called at each pause. */
  onPause: (count: number) => void;
};

async function openScene(): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const studio = await scriptedStudio();
  const stop = new AbortController();
  const pauses: number[] = [];
  const scene: Scene = {
    studio,
    pauses,
    stop,
    onPause: () => {},
    keep: (reconnectAttempts) =>
      keepSession({
        credentials: { apiBaseUrl: studio.base, workerId: 'w', authToken: 't' },
        logs,
        times: { connectMs: 5000, readIdleMs: 5000, closeMs: 500, heartbeatMs: 60_000, logFlushMs: 60_000 },
        signal: stop.signal,
        reconnectAttempts,
        async pause(ms) {
          pauses.push(ms);
          scene.onPause(pauses.length);
          stop.signal.throwIfAborted();
        },
        owner: {
          capabilities: () => capabilities,
          inFlight: () => [],
          running: () => [],
          welcomed() {},
          offered() {},
          cancelled() {},
          acknowledged() {},
          heartbeatSent() {},
          heartbeatAcknowledged() {},
          ended() {},
        },
      }),
    async [Symbol.asyncDispose]() {
      await studio[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return scene;
}

test('five retries with doubling pauses, then the cap is reached', async () => {
  await using scene = await openScene();
  scene.studio.refuse(httpRefusal(500, 'down'));
  assert.deepEqual(await scene.keep(5), { kind: 'cap-reached', why: 'HTTP 500 on websocket upgrade: down' });
  assert.deepEqual(scene.pauses, [1000, 2000, 4000, 8000, 16_000]);
});

test('without a cap it goes on, with pauses of at most thirty seconds', async () => {
  await using scene = await openScene();
  scene.studio.refuse(httpRefusal(500, ''));
  scene.onPause = (count) => count === 8 && scene.stop.abort();
  assert.deepEqual(await scene.keep(0), { kind: 'stopped' });
  assert.deepEqual(scene.pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('a welcomed session starts the count anew', async () => {
  await using scene = await openScene();
  const kept = scene.keep(2);
  for (let round = 0; round < 2; round += 1) {
    const dropped = await scene.studio.peer();
    await dropped.next('hello');
    dropped.socket.terminate();
    const welcomed = await scene.studio.peer();
    await welcomed.next('hello');
    welcomed.say({ type: 'welcome', workerId: 'w', serverTime: '' });
    await welcomed.next('heartbeat');
    welcomed.socket.close(1000);
  }
  scene.studio.refuse(httpRefusal(503, ''));
  assert.equal((await kept).kind, 'cap-reached');
  // Dropped, welcomed, dropped (counting the welcomed one's end as the first failure), welcomed, then refused.
  assert.deepEqual(scene.pauses, [1000, 1000, 2000, 1000, 2000]);
});

for (const [status, kind] of [[401, 'auth-failed']] as const) {
  test(`a refusal with ${status} ends it at once`, async () => {
    await using scene = await openScene();
    scene.studio.refuse(httpRefusal(status, ''));
    assert.equal((await scene.keep(0)).kind, kind);
    assert.deepEqual(scene.pauses, []);
  });
}

for (const [code, kind] of [
  [4001, 'auth-failed'],
  [4003, 'fatal'],
  [4004, 'fatal'],
] as const) {
  test(`a close ${code} is not followed by another attempt`, async () => {
    await using scene = await openScene();
    const kept = scene.keep(0);
    (await scene.studio.peer()).socket.close(code);
    assert.equal((await kept).kind, kind);
    assert.deepEqual(scene.pauses, []);
  });
}

test('stopping while a session is open, while waiting, and before the first attempt', async () => {
  {
    await using scene = await openScene();
    const kept = scene.keep(5);
    await (await scene.studio.peer()).next('hello');
    scene.stop.abort();
    assert.deepEqual(await kept, { kind: 'stopped' });
  }
  {
    await using scene = await openScene();
    scene.studio.refuse(httpRefusal(500, ''));
    scene.onPause = () => scene.stop.abort();
    assert.deepEqual(await scene.keep(5), { kind: 'stopped' });
    assert.deepEqual(scene.pauses, [1000]);
  }
  {
    await using scene = await openScene();
    scene.stop.abort();
    assert.deepEqual(await scene.keep(5), { kind: 'stopped' });
  }
});
