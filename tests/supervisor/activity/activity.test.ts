// What is known of jobs: running, recent, their logs and thumbnails, and the events that tell of it. Thumbnails are made by
// the real preview process from real pictures and, where ffmpeg is installed, real videos.
import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { execa } from 'execa';
import sharp from 'sharp';
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { JOBS_KEPT, LINE_CHARS_MAX, LINES_KEPT } from '../../../src/supervisor/activity/job-logs.ts';
import { openRecorder, type Recorder } from '../../../src/supervisor/activity/recorder.ts';
import type { Activity, JobStart, WorkerEvent } from '../../../src/supervisor/activity/types.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import { ffmpegPath, noFfmpeg } from '../../engines/ffmpeg/have-ffmpeg.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';

type Scene = AsyncDisposable & {
  readonly activity: Activity;
  readonly recorder: Recorder;
  readonly logs: Logs;
  readonly dir: TempDir;
};

async function openScene(): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const recorder = openRecorder();
  const previewDir = dir.file('previews');
  const activity = await openActivity({ logs, recorder, previewDir, modelsRoot: dir.file('models') });
  return {
    ...{ activity, recorder, logs, dir },
    async [Symbol.asyncDispose]() {
      await activity[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

const start = (jobId: string, more: Partial<JobStart> = {}): JobStart => ({
  ...{ jobId, kind: 'image', model: 'm', prompt: 'a fox', source: 'studio' },
  ...more,
});

const typed = ({ events }: Activity, type: WorkerEvent['type']) =>
  events.after(0).events.flatMap((event) => (event.type === type ? [event.data as Record<string, unknown>] : []));

/** Resolves with what was told last of the job once it has a thumbnail. */
async function thumbnailOf(
  { activity }: Scene,
  jobId: string,
): Promise<{ width: number; height: number; format: string }> {
  await activity.thumbnailsMade();
  const png = activity.thumbnailOf(jobId);
  assert.ok(png !== undefined, `no thumbnail of ${jobId}`);
  const { width, height, format } = await sharp(png).metadata();
  return { width, height, format };
}

test('a job runs, is finished, and is remembered with what a person wants to know of it', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  activity.started(start('job-1', { prompt: 'x'.repeat(500) }));
  const [running] = activity.active();
  assert.deepEqual(
    { ...running, startedAt: '' },
    {
      jobId: 'job-1',
      kind: 'image',
      model: 'm',
      prompt: `${'x'.repeat(200)}…`,
      source: 'studio',
      status: 'running',
      startedAt: '',
      hasThumbnail: false,
    },
  );
  activity.finished('job-1', { status: 'failed', code: 'ENGINE_FAILED', reason: 'no luck' });
  assert.deepEqual(activity.active(), []);
  const [finished] = activity.recent('studio');
  assert.deepEqual([finished?.status, finished?.reason, activity.recent('local')], ['failed', 'no luck', []]);
  assert.match(String(finished?.finishedAt), /^\d{4}-.*Z$/);
  assert.deepEqual(
    typed(activity, 'job').map(({ status }) => status),
    ['running', 'failed'],
  );
});

test('the studio and this machine have a ring of 50 each, the newest first', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  for (let at = 0; at < 60; at += 1) {
    for (const source of ['studio', 'local', 'lane', 'stream'] as const) {
      activity.started(start(`${source}-${at}`, { source }));
      activity.finished(`${source}-${at}`, { status: 'completed' });
    }
  }
  const studio = activity.recent('studio');
  assert.deepEqual([studio.length, studio[0]?.jobId, studio.at(-1)?.jobId], [50, 'studio-59', 'studio-10']);
  const local = activity.recent('local').map(({ jobId }) => jobId);
  assert.deepEqual([local.length, local.slice(0, 4)], [50, ['stream-59', 'lane-59', 'local-59', 'stream-58']]);
});

test('a job that is offered and runs once more is in the list once', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  for (const end of [{ status: 'failed', code: 'INTERNAL', reason: 'x' }, { status: 'completed' }] as const) {
    activity.started(start('job-1'));
    activity.finished('job-1', end);
  }
  assert.deepEqual(
    activity.recent('studio').map(({ jobId, status }) => [jobId, status]),
    [['job-1', 'completed']],
  );
});

test('a stream shows at its end what was said', async () => {
  await using scene = await openScene();
  scene.activity.started(start('s', { source: 'stream', prompt: '' }));
  scene.activity.finished('s', { status: 'completed', prompt: 'hello there' });
  assert.equal(scene.activity.recent('local')[0]?.prompt, 'hello there');
});

test('what is told of an unknown job, or after its end, changes nothing', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  activity.phase('nobody', 'running');
  activity.progress('nobody', { ratio: 0.5 });
  activity.finished('nobody', { status: 'completed' });
  activity.started(start('job-1'));
  activity.finished('job-1', { status: 'completed' });
  activity.finished('job-1', { status: 'failed', code: 'INTERNAL', reason: 'late' });
  activity.progress('job-1', { ratio: 1 });
  assert.deepEqual(
    [activity.recent('studio').map(({ status }) => status), typed(activity, 'progress')],
    [['completed'], []],
  );
});

test('progress is told at most every 250 ms, in good numbers, and with its phase', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  activity.started(start('job-1'));
  activity.phase('job-1', 'loading');
  activity.phase('job-1', 'running');
  activity.progress('job-1', { ratio: Number.NaN });
  for (let step = 0; step < 1_000; step += 1) activity.progress('job-1', { ratio: step, step, steps: 1_000 });
  const told = typed(activity, 'progress');
  assert.deepEqual(told.slice(0, 2), [
    { jobId: 'job-1', phase: 'loading' },
    { jobId: 'job-1', phase: 'running' },
  ]);
  assert.ok(told.length < 20, `${told.length} events`);
  for (const { ratio = 0 } of told) assert.ok(Number(ratio) >= 0 && Number(ratio) <= 1);
});

test('the log of a job has its own lines, its phases and its end; secrets are taken out', async () => {
  await using scene = await openScene();
  const { activity, logs } = scene;
  logs.addSecret('the-secret-token');
  activity.started(start('job-1'));
  activity.phase('job-1', 'loading');
  activity.log('job-1', 'warn', 'engine', 'cannot use the-secret-token');
  activity.finished('job-1', { status: 'failed', code: 'ENGINE_FAILED', reason: 'gone' });
  const { lines = [], dropped } = activity.logOf('job-1') ?? {};
  assert.equal(dropped, 0);
  assert.deepEqual(
    lines.map(({ level, target }) => [level, target]),
    [
      ['info', 'job'],
      ['info', 'job'],
      ['warn', 'engine'],
      ['error', 'job'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(lines), /the-secret-token/);
  assert.match(String(lines.at(-1)?.message), /^failed after \d+\.\d s: ENGINE_FAILED: gone$/);
  assert.equal(activity.logOf('nobody'), undefined);
});

test('a talkative job keeps its last 400 lines of 2000 characters, and a busy worker the logs of 128 jobs', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  for (let at = 1; at <= 1_000; at += 1) activity.log('loud', 'info', 'engine', `${at} ${'x'.repeat(3_000)}`);
  const { lines = [], dropped } = activity.logOf('loud') ?? {};
  assert.deepEqual([lines.length, dropped], [LINES_KEPT, 600]);
  assert.deepEqual([lines[0]?.message.slice(0, 4), lines[0]?.message.length], ['601 ', LINE_CHARS_MAX + 1]);
  for (let at = 0; at < JOBS_KEPT; at += 1) activity.log(`job-${at}`, 'info', 'engine', 'x');
  assert.deepEqual([activity.logOf('loud'), activity.logOf('job-0')?.lines.length], [undefined, 1]);
});

test('entries of the log are events, with the number that they have in the ring', async () => {
  await using scene = await openScene();
  scene.logs.info('job', 'hello');
  const [event] = typed(scene.activity, 'log');
  assert.deepEqual(event, scene.logs.ring.after(0)[0]);
});

test('finished jobs are counted by kind, source and outcome, with their tokens', async () => {
  await using scene = await openScene();
  const { activity, recorder } = scene;
  const ends = [
    { status: 'completed', tokens: { prompt: 9, completion: 3 } },
    { status: 'failed', code: 'CANCELLED', reason: '' },
    { status: 'failed', code: 'ENGINE_HUNG', reason: '' },
    { status: 'failed', code: 'a stranger’s own code', reason: '' },
  ] as const;
  for (const [at, end] of ends.entries()) {
    activity.started(start(`job-${at}`, { kind: 'llm', source: 'lane', waitedMs: 20 }));
    activity.finished(`job-${at}`, end);
  }
  assert.deepEqual(
    recorder.jobs.samples().map(({ labels: { outcome, code }, value }) => [outcome, code, value]),
    [
      ['completed', '', 1],
      ['cancelled', 'cancelled', 1],
      ['failed', 'engine_hung', 1],
      ['failed', 'other', 1],
    ],
  );
  assert.deepEqual(recorder.tokens.samples(), [
    { labels: { source: 'lane', direction: 'in' }, value: 9 },
    { labels: { source: 'lane', direction: 'out' }, value: 3 },
  ]);
  assert.deepEqual([recorder.waits.spreads()[0]?.count, recorder.runs.spreads()[0]?.count], [4, 4]);
});

test('a finished picture gets a thumbnail, though its file goes at once; the job says so, also as an event', async () => {
  await using scene = await openScene();
  const { activity, dir } = scene;
  const path = dir.file('result.bin');
  await sharp({ create: { width: 900, height: 600, channels: 3, background: 'red' } })
    .webp()
    .toFile(path);
  activity.started(start('job-1'));
  activity.finished('job-1', { status: 'completed' }, { ext: 'webp', path });
  assert.equal(activity.recent('studio')[0]?.hasThumbnail, false);
  await rm(path);
  assert.deepEqual(await thumbnailOf(scene, 'job-1'), { width: 384, height: 256, format: 'png' });
  assert.equal(activity.recent('studio')[0]?.hasThumbnail, true);
  assert.equal(typed(activity, 'job').at(-1)?.hasThumbnail, true);
  assert.deepEqual(await readdir(dir.file('previews')), []);
});

test('a small picture in memory keeps its size, and a second run of its job makes another', async () => {
  await using scene = await openScene();
  const { activity } = scene;
  const picture = (width: number) =>
    sharp({ create: { width, height: 20, channels: 3, background: 'blue' } })
      .png()
      .toBuffer();
  activity.started(start('job-1', { source: 'local' }));
  activity.finished('job-1', { status: 'completed' }, { ext: 'png', bytes: await picture(30) });
  assert.deepEqual(await thumbnailOf(scene, 'job-1'), { width: 30, height: 20, format: 'png' });
  activity.started(start('job-1', { source: 'local' }));
  assert.equal(activity.thumbnailOf('job-1'), undefined);
  activity.finished('job-1', { status: 'completed' }, { ext: 'png', bytes: await picture(40) });
  assert.deepEqual(await thumbnailOf(scene, 'job-1'), { width: 40, height: 20, format: 'png' });
});

test('a video gets the picture of its first frame', { skip: noFfmpeg }, async () => {
  await using scene = await openScene();
  const path = scene.dir.file('film.mp4');
  await execa(ffmpegPath, ['-v', 'error', '-f', 'lavfi', '-i', 'color=green:s=640x320:d=0.2', path]);
  scene.activity.started(start('job-1', { kind: 'video' }));
  scene.activity.finished('job-1', { status: 'completed' }, { ext: 'mp4', path });
  assert.deepEqual(await thumbnailOf(scene, 'job-1'), { width: 384, height: 192, format: 'png' });
});

test('what is no picture, or is not there, has no thumbnail; the next one is made all the same', async () => {
  await using scene = await openScene();
  const { activity, dir } = scene;
  const broken = dir.file('broken');
  await writeFile(broken, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'));
  for (const [jobId, preview] of [
    ['svg', { ext: 'png', path: broken }],
    ['gone', { ext: 'png', path: dir.file('nowhere') }],
    ['empty', { ext: 'mp4', bytes: new Uint8Array() }],
    [
      'good',
      {
        ext: 'png',
        bytes: await sharp({ create: { width: 5, height: 5, channels: 3, background: 'red' } })
          .png()
          .toBuffer(),
      },
    ],
  ] as const) {
    activity.started(start(jobId));
    activity.finished(jobId, { status: 'completed' }, preview);
  }
  assert.deepEqual(await thumbnailOf(scene, 'good'), { width: 5, height: 5, format: 'png' });
  assert.deepEqual(
    activity.recent('studio').map(({ jobId, hasThumbnail }) => [jobId, hasThumbnail]),
    [
      ['good', true],
      ['empty', false],
      ['gone', false],
      ['svg', false],
    ],
  );
});

test('a flood of results gets the newest thumbnails, and leaves no files behind', async () => {
  await using scene = await openScene();
  const { activity, dir } = scene;
  const bytes = await sharp({ create: { width: 5, height: 5, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  for (let at = 0; at < 40; at += 1) {
    activity.started(start(`job-${at}`));
    activity.finished(`job-${at}`, { status: 'completed' }, { ext: 'png', bytes });
  }
  await activity.thumbnailsMade();
  const made = activity.recent('studio').filter(({ hasThumbnail }) => hasThumbnail);
  assert.deepEqual([made.length, made[0]?.jobId], [9, 'job-39']);
  await scene.activity[Symbol.asyncDispose]();
  await assert.rejects(readdir(dir.file('previews')), { code: 'ENOENT' });
});

test('the supervisor itself never loads a decoder', async () => {
  const script = `
    import { openActivity } from './src/supervisor/activity/activity.ts';
    import { openLocalJobs } from './src/supervisor/local/local-jobs.ts';
    import { openDaemonControl } from './src/supervisor/daemon/control.ts';
    console.log(typeof openActivity, typeof openLocalJobs, typeof openDaemonControl);
    console.log(Object.keys(process.memoryUsage()).length, process.report.getReport().sharedObjects.filter((name) => /sharp|vips/.test(name)));
  `;
  const { stdout } = await execa(process.execPath, ['--input-type=module-typescript', '-e', script]);
  assert.match(stdout, /^function function function\n\d+ \[\]$/);
});
