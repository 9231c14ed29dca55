// One session against a studio that behaves, and against many that do not.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { FRAME_BYTES_MAX } from '../../../src/protocol/index.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import {
  type FinishedSession,
  runSession,
  type Session,
  type SessionTimes,
  type Welcome,
} from '../../../src/supervisor/session/session.ts';
import { capabilities, claim } from '../../protocol/samples.ts';
import { httpRefusal, type Peer, type ScriptedStudio, scriptedStudio } from '../scripted-studio.ts';
import { tempDir } from '../temp-dir.ts';

const TIMES: SessionTimes = {
  connectMs: 5_000,
  readIdleMs: 5_000,
  closeMs: 500,
  heartbeatMs: 60_000,
  logFlushMs: 60_000,
};
const WELCOME = { type: 'welcome', workerId: 'w-1', serverTime: 'now' };

type Scene = AsyncDisposable & {
  readonly studio: ScriptedStudio;
  readonly logs: Logs;
  /** What the owner was told, in order. */
  readonly told: string[];
  readonly stop: AbortController;
  inFlight: string[];
  running: string[];
  session: Session | undefined;
  welcome: Welcome | undefined;
  /** Starts the session. */
  run(
    times?: Partial<SessionTimes>,
    credentials?: Partial<{ apiBaseUrl: string; authToken: string }>,
  ): Promise<FinishedSession>;
  /** Starts the session and brings it to the first answer of the studio. */
  greeted(times?: Partial<SessionTimes>, welcome?: object): Promise<{ peer: Peer; finished: Promise<FinishedSession> }>;
};

async function openScene(studioOptions?: { subprotocol?: false }): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const studio = await scriptedStudio(studioOptions);
  const stop = new AbortController();
  const told: string[] = [];
  const scene: Scene = {
    studio,
    logs,
    told,
    stop,
    inFlight: [],
    running: [],
    session: undefined,
    welcome: undefined,
    run: (times, credentials) =>
      runSession({
        credentials: { apiBaseUrl: studio.base, workerId: 'w-1', authToken: 'tok', ...credentials },
        logs,
        times: { ...TIMES, ...times },
        signal: stop.signal,
        owner: {
          capabilities: () => capabilities,
          inFlight: () => scene.inFlight,
          running: () => scene.running,
          welcomed(session, welcome) {
            scene.session = session;
            scene.welcome = welcome;
            told.push('welcomed');
          },
          offered: (offer) => void told.push(`offered ${offer.jobId}`),
          cancelled: (jobId, reason) => void told.push(`cancelled ${jobId} ${reason}`),
          acknowledged: (kind, jobId) => void told.push(`${kind}Ack ${jobId}`),
          heartbeatSent() {},
          heartbeatAcknowledged: () => void told.push('heartbeatAck'),
          ended: () => void told.push('ended'),
        },
      }),
    async greeted(times, welcome = {}) {
      const finished = scene.run(times);
      const peer = await studio.peer();
      await peer.next('hello');
      peer.say({ ...WELCOME, ...welcome });
      await peer.next('heartbeat');
      return { peer, finished };
    },
    async [Symbol.asyncDispose]() {
      await studio[Symbol.asyncDispose]();
      assert.equal(getEventListeners(stop.signal, 'abort').length, 0, 'the session left a listener behind');
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return scene;
}

const logged = ({ logs }: Scene, message: string): number =>
  logs.ring.after(0).filter((entry) => entry.message.startsWith(message)).length;

test('the upgrade carries both headers, and hello is the first and only frame before the welcome', async () => {
  await using scene = await openScene();
  scene.logs.info('test', 'an entry that waits to be shipped');
  const finished = scene.run({ heartbeatMs: 5, logFlushMs: 5 });
  const peer = await scene.studio.peer();
  assert.equal(peer.request.url, '/graphics/api/workers/w-1/connect');
  assert.equal(peer.request.headers.authorization, 'Bearer tok');
  assert.equal(peer.request.headers['sec-websocket-protocol'], 'studio-worker-v1');
  const hello = await peer.next('hello');
  assert.deepEqual(JSON.parse(JSON.stringify(hello)), { type: 'hello', authToken: 'tok', capabilities });
  // A ping is answered after all that was sent before it, so nothing else was.
  peer.socket.ping();
  await new Promise((pong) => peer.socket.once('pong', pong));
  assert.deepEqual(
    peer.received.map((frame) => frame.type),
    ['hello'],
  );
  peer.socket.close(1000);
  assert.deepEqual(await finished, { end: { kind: 'disconnected', why: 'connection closed (1000)' }, welcomed: false });
  assert.deepEqual(scene.told, ['ended']);
});

test('hello names what is in flight', async () => {
  await using scene = await openScene();
  scene.inFlight = ['job-1', 'job-2'];
  void scene.run();
  const peer = await scene.studio.peer();
  assert.deepEqual((await peer.next('hello')).inFlight, ['job-1', 'job-2']);
  scene.stop.abort();
  await peer.closed;
});

test('frames before the welcome are dropped for good', async () => {
  await using scene = await openScene();
  const finished = scene.run();
  const peer = await scene.studio.peer();
  await peer.next('hello');
  peer.say({ type: 'offer', claim });
  peer.say({ type: 'offer', claim: { jobId: 'bad' } });
  peer.say({ type: 'heartbeatAck' });
  peer.say(WELCOME);
  await peer.next('heartbeat');
  scene.stop.abort();
  assert.equal((await finished).welcomed, true);
  assert.deepEqual(scene.told, ['welcomed', 'ended']);
  assert.equal(logged(scene, 'frame before the welcome was dropped'), 2);
  assert.ok(!peer.received.some((frame) => frame.type === 'reject'));
});

test('the first heartbeat and the first logs go out at once after the welcome', async () => {
  await using scene = await openScene();
  scene.logs.warn('test', 'hello studio', { jobId: 'job-9' });
  const { peer, finished } = await scene.greeted();
  const { entries } = await peer.next('logBatch');
  assert.deepEqual([entries[0]?.level, entries[0]?.message, entries[0]?.jobId], ['warn', 'hello studio', 'job-9']);
  scene.stop.abort();
  await finished;
});

test('heartbeats go on, say what runs now, and name all jobs only to a studio that knows multi-offer', async () => {
  for (const features of [undefined, ['multi-offer'], null]) {
    await using scene = await openScene();
    const { peer, finished } = await scene.greeted({ heartbeatMs: 5 }, { features });
    scene.running = ['job-1', 'job-2'];
    let beat = await peer.next('heartbeat');
    while (beat.currentJobId === undefined) beat = await peer.next('heartbeat');
    assert.equal(beat.currentJobId, 'job-1');
    assert.deepEqual(beat.currentJobIds, features ? ['job-1', 'job-2'] : undefined);
    scene.stop.abort();
    await finished;
  }
});

test('a heartbeat can be sent ahead of its time', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  scene.running = ['job-1'];
  scene.session?.beat();
  assert.equal((await peer.next('heartbeat')).currentJobId, 'job-1');
  scene.stop.abort();
  await finished;
  scene.session?.beat();
});

test('only features that both ends know are used, and resumed jobs are passed on', async () => {
  await using scene = await openScene();
  const { finished } = await scene.greeted({}, { features: ['resume', 'a-later-one', 'cancel'], resumed: ['job-1'] });
  assert.deepEqual([...(scene.welcome?.features ?? [])], ['cancel', 'resume']);
  assert.deepEqual(scene.welcome?.resumed, ['job-1']);
  assert.deepEqual(scene.session?.features, scene.welcome?.features);
  scene.stop.abort();
  await finished;
});

test('what the studio says reaches the owner in its order', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  peer.say({ type: 'offer', claim });
  peer.say({ type: 'cancel', jobId: 'job-7', reason: 'enough' });
  peer.say({ type: 'cancel', jobId: 'job-8' });
  peer.say({ type: 'completeAck', jobId: 'a' });
  peer.say({ type: 'failAck', jobId: 'b' });
  peer.say({ type: 'heartbeatAck' });
  peer.say(WELCOME);
  peer.socket.close(1000, 'bye');
  assert.deepEqual((await finished).end, { kind: 'disconnected', why: 'connection closed (1000: bye)' });
  assert.deepEqual(scene.told, [
    'welcomed',
    'offered job-7',
    'cancelled job-7 enough',
    'cancelled job-8 undefined',
    'completeAck a',
    'failAck b',
    'heartbeatAck',
    'ended',
  ]);
  assert.equal(logged(scene, 'another welcome was ignored'), 1);
});

test('a frame goes out while the session lives, and not after it', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  assert.equal(await scene.session?.send({ type: 'accept', jobId: 'job-1' }), true);
  assert.equal((await peer.next('accept')).jobId, 'job-1');
  scene.stop.abort();
  assert.equal(await scene.session?.send({ type: 'accept', jobId: 'job-2' }), false);
  await finished;
  assert.equal(await scene.session?.send({ type: 'accept', jobId: 'job-3' }), false);
});

for (const [code, message, end, reason] of [
  ['auth_failed', 'who?', { kind: 'auth-failed', reason: 'who?' }, 'auth failed'],
  ['duplicate_worker', 'replaced', { kind: 'fatal', reason: 'duplicate_worker: replaced' }, 'session ended'],
  ['internal_error', 'oops', { kind: 'fatal', reason: 'internal_error: oops' }, 'session ended'],
] as const) {
  for (const before of [true, false]) {
    test(`an error frame ${code} ${before ? 'before' : 'after'} the welcome ends the session as ${end.kind}`, async () => {
      await using scene = await openScene();
      const { peer, finished } = before
        ? { finished: scene.run(), peer: await scene.studio.peer() }
        : await scene.greeted();
      peer.say({ type: 'error', code, message });
      assert.deepEqual(await finished, { end, welcomed: !before });
      assert.deepEqual(await peer.closed, { code: 1000, reason });
    });
  }
}

test('what the error frame said wins over the close that follows it', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  peer.say({ type: 'error', code: 'worker_deleted', message: 'by Ada' });
  peer.say({ type: 'offer', claim });
  peer.socket.close(4001, 'late');
  assert.deepEqual((await finished).end, { kind: 'fatal', reason: 'worker_deleted: by Ada' });
  assert.deepEqual(scene.told, ['welcomed', 'ended'], 'an offer after the end is not taken');
});

for (const [code, kind] of [
  [1000, 'disconnected'],
  [1012, 'disconnected'],
  [4001, 'auth-failed'],
  [4002, 'disconnected'],
  [4003, 'fatal'],
  [4004, 'fatal'],
] as const) {
  test(`a close ${code} ends the session as ${kind}`, async () => {
    await using scene = await openScene();
    const { peer, finished } = await scene.greeted();
    peer.socket.close(code, 'because');
    const { end, welcomed } = await finished;
    assert.deepEqual([end.kind, welcomed], [kind, true]);
    assert.match(JSON.stringify(end), /because/);
  });
}

test('an end without a close frame is a disconnect', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  peer.socket.terminate();
  assert.deepEqual((await finished).end, { kind: 'disconnected', why: 'connection closed (1006)' });
});

for (const [what, message] of [
  ['a binary message', Buffer.from('{"type":"heartbeatAck"}')],
  ['not JSON', 'hello'],
  ['no "type"', '{}'],
  ['offer: claim', '{"type":"offer"}'],
] as const) {
  test(`${what} tears the session down`, async () => {
    await using scene = await openScene();
    const { peer, finished } = await scene.greeted();
    peer.socket.send(message);
    const { end } = await finished;
    assert.equal(end.kind, 'disconnected');
    assert.ok((end as { why: string }).why.startsWith(`protocol error: ${what}`), JSON.stringify(end));
    assert.deepEqual(await peer.closed, { code: 1000, reason: 'protocol violation' });
    assert.deepEqual(scene.told, ['welcomed', 'ended']);
  });
}

test('an unknown type is ignored, and logged once for each type', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  for (const type of ['later', 'later', 'muchLater', 'later']) peer.say({ type });
  peer.say({ type: 'heartbeatAck' });
  peer.socket.close(1000);
  await finished;
  assert.deepEqual(scene.told, ['welcomed', 'heartbeatAck', 'ended']);
  assert.equal(logged(scene, 'frame of an unknown type was ignored'), 2);
});

test('an unreadable offer is rejected by its id, and the session lives', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  peer.say({ type: 'offer', claim: { ...claim, jobId: '../x' } });
  const reject = await peer.next('reject');
  assert.equal(reject.jobId, '../x');
  assert.match(reject.reason, /^offer cannot be read: claim\.jobId: expected 1 to 128/);
  assert.equal(reject.code, undefined);
  peer.say({ type: 'offer', claim });
  peer.socket.close(1000);
  await finished;
  assert.deepEqual(scene.told, ['welcomed', 'offered job-7', 'ended']);
});

test('a frame above the limit ends the session as a disconnect', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  peer.socket.send(`"${'x'.repeat(FRAME_BYTES_MAX)}"`);
  const { end } = await finished;
  assert.equal(end.kind, 'disconnected');
  assert.match((end as { why: string }).why, new RegExp(`a frame of more than ${FRAME_BYTES_MAX} bytes`));
});

test('pings are answered, and do not count as signs of life', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted({ readIdleMs: 80 });
  const pinging = setInterval(() => peer.socket.ping(), 10);
  let pongs = 0;
  peer.socket.on('pong', () => {
    pongs += 1;
  });
  assert.deepEqual((await finished).end, { kind: 'disconnected', why: 'nothing heard from the studio for 80 ms' });
  clearInterval(pinging);
  assert.ok(pongs > 0);
});

test('a studio that never says welcome is given up after the same silence', async () => {
  await using scene = await openScene();
  const finished = scene.run({ readIdleMs: 60 });
  await (await scene.studio.peer()).next('hello');
  assert.deepEqual(await finished, {
    end: { kind: 'disconnected', why: 'nothing heard from the studio for 60 ms' },
    welcomed: false,
  });
});

test('every frame starts the silence anew', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted({ readIdleMs: 300, heartbeatMs: 40 });
  for (let beats = 0; beats < 12; beats += 1) {
    await peer.next('heartbeat');
    peer.say({ type: 'heartbeatAck' });
  }
  scene.stop.abort();
  assert.deepEqual((await finished).end, { kind: 'stopped' });
});

test('stopping flushes the logs and closes with 1000, session ended', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted();
  scene.logs.info('test', 'last words');
  scene.stop.abort();
  assert.deepEqual(await finished, { end: { kind: 'stopped' }, welcomed: true });
  assert.deepEqual(await peer.closed, { code: 1000, reason: 'session ended' });
  const shipped = peer.received.flatMap((frame) => (frame.type === 'logBatch' ? frame.entries : []));
  assert.equal(shipped.at(-1)?.message, 'last words');
});

test('stopping before the session opened ends it too', async () => {
  await using scene = await openScene();
  scene.stop.abort();
  assert.deepEqual(await scene.run(), { end: { kind: 'stopped' }, welcomed: false });
});

test('stopping within the handshake and before the welcome sends no logs', async () => {
  await using scene = await openScene();
  scene.logs.info('test', 'kept');
  const finished = scene.run();
  const peer = await scene.studio.peer();
  await peer.next('hello');
  scene.stop.abort();
  assert.deepEqual((await finished).end, { kind: 'stopped' });
  await peer.closed;
  assert.deepEqual(
    peer.received.map((frame) => frame.type),
    ['hello'],
  );
  assert.equal(scene.logs.ship.take(1)[0]?.message, 'kept');
});

test('a studio that does not answer the close is left behind', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted({ closeMs: 40 });
  peer.socket.pause();
  scene.stop.abort();
  assert.deepEqual((await finished).end, { kind: 'stopped' });
});

test('entries that could not be sent are put back in their order', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted({ logFlushMs: 20, closeMs: 250 });
  // The peer does not answer the close, so the flush timer goes on in a session that takes nothing more.
  peer.socket.pause();
  scene.stop.abort();
  for (const name of ['one', 'two', 'three']) scene.logs.info('test', name);
  await finished;
  assert.deepEqual(
    scene.logs.ship.take(10).map((entry) => entry.message),
    ['one', 'two', 'three'],
  );
});

test('the connect limit does not end a session that is open', async () => {
  await using scene = await openScene();
  const { peer, finished } = await scene.greeted({ connectMs: 300, heartbeatMs: 100 });
  for (let beats = 0; beats < 5; beats += 1) await peer.next('heartbeat');
  scene.stop.abort();
  assert.deepEqual((await finished).end, { kind: 'stopped' });
});

test('a backlog is shipped in batches of 500, in order', async () => {
  await using scene = await openScene();
  for (let index = 0; index < 1200; index += 1) scene.logs.info('test', `entry ${index}`);
  const { peer, finished } = await scene.greeted({ logFlushMs: 5 });
  const sizes: number[] = [];
  const messages: string[] = [];
  while (messages.filter((each) => each.startsWith('entry')).length < 1200) {
    const { entries } = await peer.next('logBatch');
    sizes.push(entries.length);
    messages.push(...entries.map((entry) => entry.message));
  }
  assert.ok(Math.max(...sizes) === 500, String(sizes));
  const entries = messages.filter((each) => each.startsWith('entry'));
  assert.deepEqual(
    entries,
    Array.from({ length: 1200 }, (_, index) => `entry ${index}`),
  );
  scene.stop.abort();
  await finished;
});

const refusals: [number, string, unknown][] = [
  [401, 'who are you', { kind: 'auth-failed', reason: '401 on websocket upgrade' }],
  [403, 'forbidden\n', { kind: 'disconnected', why: 'HTTP 403 on websocket upgrade: forbidden' }],
  [500, '', { kind: 'disconnected', why: 'HTTP 500 on websocket upgrade' }],
  [502, 'x'.repeat(9000), { kind: 'disconnected', why: `HTTP 502 on websocket upgrade: ${'x'.repeat(300)}…` }],
];
for (const [status, body, end] of refusals) {
  test(`an upgrade refused with ${status} and ${body.length} characters ends the session`, async () => {
    await using scene = await openScene();
    scene.studio.refuse(httpRefusal(status, body));
    assert.deepEqual(await scene.run(), { end, welcomed: false });
    assert.deepEqual(scene.told, ['ended']);
  });
}

test('a refusal whose body breaks off is still that refusal', async () => {
  await using scene = await openScene();
  scene.studio.refuse((socket) => {
    socket.write('HTTP/1.1 403 No\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy());
  });
  const { end } = await scene.run();
  assert.match(JSON.stringify(end), /HTTP 403 on websocket upgrade/);
});

test('a studio that does not echo the sub-protocol is no studio', async () => {
  await using scene = await openScene({ subprotocol: false });
  const { end } = await scene.run();
  assert.equal(end.kind, 'disconnected');
  assert.match((end as { why: string }).why, /connection failed: .*subprotocol/i);
});

for (const [what, refuse] of [
  ['says nothing', () => {}],
  [
    'drips its answer',
    (socket: { write(text: string): unknown; on(event: 'close', done: () => void): unknown }) => {
      socket.write('HTTP/1.1 500 No\r\ncontent-length: 1000\r\n\r\n');
      const drip = setInterval(() => socket.write('x'), 10);
      socket.on('close', () => clearInterval(drip));
    },
  ],
] as const) {
  test(`a handshake that ${what} is given up after the connect limit`, async () => {
    await using scene = await openScene();
    scene.studio.refuse(refuse);
    const { end } = await scene.run({ connectMs: 80 });
    assert.equal(end.kind, 'disconnected');
    assert.match((end as { why: string }).why, /no connection within 80 ms|HTTP 500 on websocket upgrade: x+/);
  });
}

for (const [what, credentials] of [
  ['a base URL that is none', { apiBaseUrl: 'studio' }],
  ['a base URL of another scheme', { apiBaseUrl: 'ftp://h/' }],
  ['a token that cannot stand in a header', { authToken: 'a\nb' }],
  ['nobody listening', { apiBaseUrl: 'http://127.0.0.1:1' }],
] as const) {
  test(`with ${what} the session ends as a failed connection and never rejects`, async () => {
    await using scene = await openScene();
    const { end, welcomed } = await scene.run({}, credentials);
    assert.equal(end.kind, 'disconnected');
    assert.match((end as { why: string }).why, /^connection failed: /);
    assert.equal(welcomed, false);
    assert.deepEqual(scene.told, ['ended']);
  });
}
