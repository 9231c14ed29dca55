// The life of jobs from offer to delivery, with the real outbox and delivery, a session that records and a host that
// does as it is told.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import sharp from 'sharp';
import { Failure, type Feature, FRAME_BYTES_MAX, JobClaim } from '../../../src/protocol/index.ts';
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { openRecorder } from '../../../src/supervisor/activity/recorder.ts';
import type { Activity } from '../../../src/supervisor/activity/types.ts';
import { type Delivery, openDelivery } from '../../../src/supervisor/delivery/delivery.ts';
import { type Outbox, openOutbox } from '../../../src/supervisor/delivery/outbox.ts';
import { type Jobs, type JobsPolicy, openJobs } from '../../../src/supervisor/jobs/jobs.ts';
import { openTurns } from '../../../src/supervisor/jobs/turns.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import { claim } from '../../protocol/samples.ts';
import { type ScriptedHttp, scriptedHttp } from '../scripted-http.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { type ScriptedHost, scriptedHost } from './scripted-host.ts';
import { type ScriptedSession, scriptedSession } from './scripted-session.ts';

type Scene = AsyncDisposable & {
  readonly activity: Activity;
  readonly dir: TempDir;
  readonly http: ScriptedHttp;
  readonly host: ScriptedHost;
  readonly logs: Logs;
  policy: JobsPolicy;
  outbox: Outbox;
  delivery: Delivery;
  jobs: Jobs;
  /** Begins a session; `resumed` are the jobs that the studio still wants of those in flight. */
  connect(features?: Feature[], resumed?: string[]): ScriptedSession;
  lose(): void;
  acked(jobId: string): void;
  /** A new process on the same outbox. */
  restart(): Promise<void>;
};

async function openScene(): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  logs.setLevel('error');
  const http = await scriptedHttp();
  const host = scriptedHost();
  const activity = await openActivity({
    logs,
    recorder: openRecorder(),
    previewDir: dir.file('previews'),
    modelsRoot: dir.file('models'),
  });
  const begin = async (): Promise<Pick<Scene, 'outbox' | 'delivery' | 'jobs'>> => {
    const outbox = await openOutbox(dir.file('outbox'), (message) => logs.warn('outbox', message));
    const delivery = openDelivery({
      outbox,
      logs,
      delivered: (jobId) => jobs.delivered(jobId),
      failJob: (jobId, message) => jobs.fail(jobId, 'DELIVERY_FAILED', message),
    });
    const turns = openTurns({ host });
    const jobs: Jobs = openJobs({ host, outbox, delivery, logs, activity, turns, policy: () => scene.policy });
    return { outbox, delivery, jobs };
  };
  const scene: Scene = {
    activity,
    dir,
    http,
    host,
    logs,
    policy: { stopping: false, paused: false, heldByPresence: false, thresholdGb: 100 },
    ...(await begin()),
    connect(features = [], resumed) {
      const session = scriptedSession(features);
      const wanted = scene.jobs.sessionOpened(session, { features: session.features, resumed });
      scene.delivery.sessionOpened(session, { apiBaseUrl: http.base, workerId: 'w-1', authToken: 't' }, wanted);
      return session;
    },
    lose() {
      scene.jobs.sessionLost();
      scene.delivery.sessionLost();
    },
    acked(jobId) {
      scene.delivery.acknowledged(jobId);
    },
    async restart() {
      scene.delivery.stop();
      Object.assign(scene, await begin());
    },
    async [Symbol.asyncDispose]() {
      scene.delivery.stop();
      await activity[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return scene;
}

const llm = (jobId: string, text = 'hi'): JobClaim =>
  JobClaim.parse({ ...claim, jobId, model: 'm', task: { kind: 'llm', messages: [{ role: 'user', content: text }] } });
const image = (jobId: string, prompt = 'a fox'): JobClaim =>
  JobClaim.parse({ ...claim, jobId, task: { kind: 'image', prompt } });

/** Brings the job to a JSON result that waits in the outbox, with no session. */
async function finishedWhileAway(scene: Scene, jobId: string): Promise<void> {
  const session = scene.connect();
  scene.jobs.offered(llm(jobId));
  await session.next('accept');
  scene.lose();
  scene.host.runOf(jobId).json({ answer: 42 });
  await scene.jobs.idle();
  assert.deepEqual(scene.delivery.pending(), [jobId]);
}

test('a JSON job is accepted, run, sent with its whole prompt, and forgotten when acknowledged', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  scene.jobs.offered(llm('job-1', 'x'.repeat(5000)));
  await session.next('accept');
  assert.deepEqual(scene.jobs.running(), ['job-1']);
  const { job } = scene.host.runOf('job-1');
  assert.deepEqual([job.model, job.source.engine, job.vramBytes], ['m', 'sd-cpp', 12 * 1024 ** 3]);
  scene.host.runOf('job-1').json({ answer: 42 });
  const complete = await session.next('completeJson');
  assert.deepEqual(complete, {
    type: 'completeJson',
    jobId: 'job-1',
    result: { answer: 42 },
    prompt: 'x'.repeat(5000),
  });
  assert.equal(
    (await openOutbox(scene.dir.file('outbox'), () => {})).entries().length,
    1,
    'on disk until acknowledged',
  );
  scene.acked('job-1');
  await scene.delivery.settled();
  assert.deepEqual([scene.delivery.pending(), scene.outbox.entries(), scene.jobs.running()], [[], [], []]);
  assert.deepEqual(session.told(), ['accept job-1', 'completeJson job-1']);
});

test('a binary job is uploaded, and nothing but the accept goes over the socket', async () => {
  await using scene = await openScene();
  scene.http.answer([200, {}]);
  const session = scene.connect();
  scene.jobs.offered(image('job-1'));
  await session.next('accept');
  await scene.host.runOf('job-1').bytes('png', 'one', 'two');
  await scene.jobs.idle();
  await scene.delivery.settled();
  assert.equal(scene.http.asked[0]?.url, '/graphics/api/workers/w-1/jobs/job-1/complete');
  assert.match(String(scene.http.asked[0]?.body), /onetwo/);
  assert.deepEqual(scene.delivery.pending(), []);
  assert.deepEqual(session.told(), ['accept job-1']);
});

test('what runs for the studio shows in activity: the job, its log, its end, and a small picture of its result', async () => {
  await using scene = await openScene();
  scene.http.answer([200, {}]);
  const { activity, host } = scene;
  const session = scene.connect();
  scene.jobs.offered(image('job-1'));
  await session.next('accept');
  const [running] = activity.active();
  assert.deepEqual([running?.jobId, running?.source, running?.prompt], ['job-1', 'studio', 'a fox']);
  const run = host.runOf('job-1');
  run.observer.phase('running');
  run.observer.log('warn', 'hot');
  const png = await sharp({ create: { width: 8, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  await run.observer.write(png);
  await run.bytes('png');
  await scene.jobs.idle();
  await scene.delivery.settled();
  assert.deepEqual(scene.outbox.entries(), [], 'the result itself has gone');
  await activity.thumbnailsMade();
  assert.partialDeepStrictEqual(activity.recent('studio'), [
    { jobId: 'job-1', status: 'completed', hasThumbnail: true },
  ]);
  assert.ok(activity.logOf('job-1')?.lines.some(({ target, message }) => target === 'engine' && message === 'hot'));
});

test('a job that fails, and one that can never run here, show with their reasons', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').fail(new Failure('ENGINE_HUNG', 'silent'));
  await session.next('fail');
  scene.host.verdictNow = { kind: 'never', code: 'ENGINE_UNAVAILABLE', why: 'no engine' };
  scene.jobs.offered(llm('job-2'));
  await session.next('fail');
  await scene.jobs.idle();
  assert.partialDeepStrictEqual(scene.activity.recent('studio'), [
    { jobId: 'job-2', status: 'failed', reason: 'no engine' },
    { jobId: 'job-1', status: 'failed', reason: 'silent' },
  ]);
  assert.deepEqual(scene.activity.active(), []);
});

test('a job whose accept cannot be sent is stopped, and nothing is said about it', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  session.takes = false;
  scene.jobs.offered(llm('job-1'));
  await scene.jobs.idle();
  assert.equal(scene.host.runOf('job-1').cancelled?.code, 'CANCELLED');
  assert.deepEqual([session.sent, scene.jobs.unreported(), scene.delivery.pending()], [[], [], []]);
});

for (const [thrown, code, retryable, error] of [
  [new Failure('ENGINE_HUNG', 'silent for 60 s'), 'engine_hung', true, 'silent for 60 s'],
  [new Failure('INPUT_INVALID', 'no such size'), 'input_invalid', false, 'no such size'],
  [new Error('a mistake'), 'internal', true, 'a mistake'],
] as const) {
  test(`a run that ends with ${code} is failed once, and forgotten when the studio has noted it`, async () => {
    await using scene = await openScene();
    const session = scene.connect();
    scene.jobs.offered(image('job-1'));
    const run = scene.host.runOf('job-1');
    await run.observer.write(Buffer.from('half a picture'));
    run.fail(thrown);
    assert.deepEqual(await session.next('fail'), { type: 'fail', jobId: 'job-1', error, retryable, code });
    await scene.jobs.idle();
    assert.deepEqual(scene.jobs.unreported(), ['job-1']);
    scene.jobs.failAcknowledged('job-1');
    assert.deepEqual([scene.jobs.unreported(), scene.outbox.entries()], [[], []]);
  });
}

const refusals: [string, (scene: Scene) => void, string, string | undefined][] = [
  [
    'a paused worker',
    (scene) => (scene.policy = { ...scene.policy, paused: true }),
    'worker paused by operator',
    'paused',
  ],
  [
    'a worker on its way out',
    (scene) => (scene.policy = { ...scene.policy, stopping: true }),
    'worker is stopping',
    'paused',
  ],
  [
    'a busy host',
    (scene) => (scene.host.verdictNow = { kind: 'busy', why: 'no slot' }),
    'worker already has an in-flight job',
    'busy',
  ],
  [
    'a low threshold',
    (scene) => (scene.policy = { ...scene.policy, thresholdGb: 6 }),
    "the job needs 12 GB, this worker's threshold is 6 GB",
    undefined,
  ],
];
for (const [what, arrange, reason, code] of refusals) {
  test(`${what} rejects with ${code ?? 'no code'}`, async () => {
    await using scene = await openScene();
    arrange(scene);
    const session = scene.connect();
    scene.jobs.offered(llm('job-1'));
    const expected = { type: 'reject', jobId: 'job-1', reason };
    assert.deepEqual(await session.next('reject'), code === undefined ? expected : { ...expected, code });
    assert.deepEqual([session.told(), scene.host.runs], [['reject job-1'], []]);
  });
}

test('a job that can never run here is accepted and failed for good', async () => {
  await using scene = await openScene();
  scene.host.verdictNow = { kind: 'never', code: 'ENGINE_UNAVAILABLE', why: 'no engine; npm install it' };
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  const fail = await session.next('fail');
  assert.deepEqual([fail.error, fail.retryable, fail.code], ['no engine; npm install it', false, 'engine_unavailable']);
  assert.deepEqual([session.told(), scene.host.runs], [['accept job-1', 'fail job-1'], []]);
});

test('three failures in a row rest the model, and other models go on', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  for (const jobId of ['a', 'b', 'c']) {
    scene.jobs.offered(llm(jobId));
    scene.host.runOf(jobId).fail(new Failure('ENGINE_CRASHED', 'signal 6'));
    await session.next('fail');
    await scene.jobs.idle();
  }
  scene.jobs.offered(llm('d'));
  const reject = await session.next('reject');
  assert.equal(reject.code, 'busy');
  assert.match(reject.reason, /^model m failed several times in a row and rests for 180 s$/);
  scene.jobs.offered({ ...llm('e'), model: 'other' });
  assert.equal(scene.host.runOf('e').job.model, 'other');
});

test('several jobs run side by side, the oldest first in the list', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  for (const jobId of ['b', 'a', 'c']) scene.jobs.offered(llm(jobId));
  assert.deepEqual(scene.jobs.running(), ['b', 'a', 'c']);
  scene.host.runOf('a').json(1);
  await session.next('completeJson');
  await turn();
  assert.deepEqual(scene.jobs.running(), ['b', 'c']);
});

test('progress is sent only when negotiated, at most four times a second, and only in good numbers', async () => {
  for (const features of [[], ['progress']] as Feature[][]) {
    await using scene = await openScene();
    const session = scene.connect(features);
    scene.jobs.offered(image('job-1'));
    const { observer } = scene.host.runOf('job-1');
    observer.phase('running');
    observer.progress({ ratio: Number.NaN });
    for (let step = 0; step < 50; step += 1)
      observer.progress({ ratio: step === 0 ? 1.7 : step / 50, step, steps: 50 });
    observer.token('ignored');
    observer.log('warn', 'the engine says something');
    const progress = session.sent.filter((frame) => frame.type === 'progress');
    assert.deepEqual(
      progress,
      features.length === 0 ? [] : [{ type: 'progress', jobId: 'job-1', ratio: 1, step: 0, steps: 50 }],
    );
  }
});

test('no progress of a job is sent that the studio does not hold for this worker', async () => {
  await using scene = await openScene();
  scene.connect(['progress']);
  scene.jobs.offered(image('job-1'));
  scene.lose();
  scene.host.runOf('job-1').observer.progress({ ratio: 0.1 });
  const next = scene.connect(['progress']);
  scene.host.runOf('job-1').observer.progress({ ratio: 0.2 });
  assert.deepEqual(next.sent, []);
});

test('with resume a job goes on over a lost session, and its result is delivered in the next', async () => {
  await using scene = await openScene();
  const first = scene.connect(['resume']);
  scene.jobs.offered(llm('job-1'));
  await first.next('accept');
  scene.lose();
  const second = scene.connect(['resume'], ['job-1']);
  scene.host.runOf('job-1').json('done');
  assert.equal((await second.next('completeJson')).result, 'done');
  assert.deepEqual(second.told(), ['completeJson job-1']);
});

test('with resume a result that was finished while away is delivered', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  const session = scene.connect(['resume'], ['job-1']);
  assert.deepEqual((await session.next('completeJson')).result, { answer: 42 });
});

test('with resume a job that the studio no longer wants is stopped, and nothing is sent', async () => {
  await using scene = await openScene();
  scene.connect(['resume']);
  scene.jobs.offered(llm('job-1'));
  scene.lose();
  const second = scene.connect(['resume'], []);
  await scene.jobs.idle();
  assert.equal(scene.host.runOf('job-1').cancelled?.code, 'CANCELLED');
  assert.deepEqual([second.sent, scene.jobs.unreported(), scene.delivery.pending()], [[], [], []]);
});

test('with resume a result that the studio no longer wants is dropped', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  const session = scene.connect(['resume'], []);
  assert.deepEqual([session.sent, scene.delivery.pending(), scene.outbox.entries()], [[], [], []]);
});

test('without resume a result is parked, then given to the same offer without running again', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  const session = scene.connect();
  await turn();
  assert.deepEqual([session.sent, scene.delivery.pending()], [[], ['job-1']]);
  scene.jobs.offered(llm('job-1'));
  assert.deepEqual((await session.next('completeJson')).result, { answer: 42 });
  assert.deepEqual(session.told(), ['accept job-1', 'completeJson job-1']);
  assert.equal(scene.host.runs.length, 1);
  scene.acked('job-1');
  assert.deepEqual(scene.delivery.pending(), []);
});

test('a parked result survives a restart, and a paused worker still hands it over', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  await scene.restart();
  scene.policy = { ...scene.policy, paused: true };
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  assert.deepEqual((await session.next('completeJson')).result, { answer: 42 });
});

test('an offer of other work under the same id runs anew', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  const session = scene.connect();
  scene.jobs.offered(llm('job-1', 'something else'));
  assert.equal(scene.host.runs.length, 2);
  scene.host.runOf('job-1').json('new');
  assert.equal((await session.next('completeJson')).result, 'new');
  const entry = (await openOutbox(scene.dir.file('outbox'), () => {})).get('job-1');
  assert.deepEqual(entry?.result, { kind: 'json', value: 'new' });
});

test('a running job that is offered again is accepted and goes on', async () => {
  await using scene = await openScene();
  scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.lose();
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').json('once');
  assert.equal((await session.next('completeJson')).result, 'once');
  assert.deepEqual([session.told(), scene.host.runs.length], [['accept job-1', 'completeJson job-1'], 1]);
});

test('a running job whose id now stands for other work is stopped, and the offer comes back later', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.jobs.offered(llm('job-1', 'other'));
  assert.equal((await session.next('reject')).code, 'busy');
  await scene.jobs.idle();
  assert.deepEqual(session.told(), ['accept job-1', 'reject job-1']);
  assert.equal(scene.host.runOf('job-1').cancelled?.reason, 'the studio replaced this job');
});

test('a cancelled job stops and says so', async () => {
  await using scene = await openScene();
  const session = scene.connect(['cancel']);
  scene.jobs.offered(llm('job-1'));
  scene.jobs.cancelled('job-1', 'enough');
  const fail = await session.next('fail');
  assert.deepEqual([fail.error, fail.code, fail.retryable], ['enough', 'cancelled', false]);
});

test('a cancel that comes after the end drops the result and says so', async () => {
  await using scene = await openScene();
  const session = scene.connect(['cancel']);
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').json(1);
  await session.next('completeJson');
  scene.jobs.cancelled('job-1', undefined);
  const fail = await session.next('fail');
  assert.deepEqual([fail.code, fail.error], ['cancelled', 'cancelled by the studio']);
  assert.deepEqual([scene.delivery.pending(), scene.outbox.entries()], [[], []]);
});

test('a cancel of a job that was never here, or is delivered, is not answered', async () => {
  await using scene = await openScene();
  const session = scene.connect(['cancel']);
  scene.jobs.cancelled('never', 'x');
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').json(1);
  await session.next('completeJson');
  scene.acked('job-1');
  scene.jobs.cancelled('job-1', 'late');
  scene.jobs.fail('job-1', 'DELIVERY_FAILED', 'too late as well');
  await turn();
  assert.deepEqual(session.told(), ['accept job-1', 'completeJson job-1']);
});

test('a failure while the session is away is reported by the next, if the studio still wants to know', async () => {
  for (const resumed of [['job-1'], []]) {
    await using scene = await openScene();
    scene.connect(['resume']);
    scene.jobs.offered(llm('job-1'));
    scene.lose();
    scene.host.runOf('job-1').fail(new Failure('ENGINE_FAILED', 'broken'));
    await scene.jobs.idle();
    assert.deepEqual(scene.jobs.unreported(), ['job-1']);
    const session = scene.connect(['resume'], resumed);
    assert.deepEqual(
      session.told(),
      resumed.map((jobId) => `fail ${jobId}`),
    );
    assert.deepEqual(scene.jobs.unreported(), resumed);
  }
});

test('without resume a failure while away is forgotten, since the studio has released the job', async () => {
  await using scene = await openScene();
  scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.lose();
  const session = scene.connect();
  scene.host.runOf('job-1').fail(new Failure('ENGINE_FAILED', 'broken'));
  await scene.jobs.idle();
  assert.deepEqual(session.sent, []);
  scene.lose();
  assert.deepEqual([scene.connect().sent, scene.jobs.unreported()], [[], []]);
});

test('at most 256 failures wait for a session, the latest', async () => {
  await using scene = await openScene();
  for (let index = 0; index < 300; index += 1) scene.jobs.fail(`job-${index}`, 'ENGINE_FAILED', 'x');
  const waiting = scene.jobs.unreported();
  assert.deepEqual([waiting.length, waiting[0], waiting.at(-1)], [256, 'job-44', 'job-299']);
});

test('handing jobs back fails them as retryable', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  for (const jobId of ['a', 'b']) scene.jobs.offered(llm(jobId));
  scene.jobs.cancelAll('the worker is stopping');
  await scene.jobs.idle();
  const fails = session.sent.filter((frame) => frame.type === 'fail');
  assert.deepEqual(fails.map((frame) => [frame.jobId, frame.code, frame.retryable, frame.error]).sort(), [
    ['a', 'shutdown', true, 'the worker is stopping'],
    ['b', 'shutdown', true, 'the worker is stopping'],
  ]);
});

test('a result that cannot be kept on disk is a failed job', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  await rm(scene.dir.file('outbox'), { recursive: true });
  await writeFile(scene.dir.file('outbox'), 'a file where the folder was');
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').json(1);
  const json = await session.next('fail');
  scene.jobs.offered(image('job-2'));
  const run = scene.host.runOf('job-2');
  await run.bytes('png', 'x').catch(run.fail);
  const bytes = await session.next('fail');
  for (const fail of [json, bytes]) assert.deepEqual([fail.code, fail.retryable], ['outbox_unwritable', true]);
});

test('a JSON result above the frame limit is a failed job instead of a lost session', async () => {
  await using scene = await openScene();
  const session = scene.connect();
  scene.jobs.offered(llm('job-1'));
  scene.host.runOf('job-1').json('x'.repeat(FRAME_BYTES_MAX));
  const fail = await session.next('fail');
  assert.equal(fail.code, 'delivery_failed');
  assert.match(fail.error, /the limit is 33554432$/);
  assert.deepEqual(session.told(), ['accept job-1', 'fail job-1']);
});

test('an acknowledgement of something that was not sent removes nothing', async () => {
  await using scene = await openScene();
  await finishedWhileAway(scene, 'job-1');
  scene.acked('job-1');
  scene.acked('unknown');
  assert.deepEqual(scene.delivery.pending(), ['job-1']);
});
