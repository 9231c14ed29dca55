// The parts of the demo that need no worker: its jobs, its checks, what it shows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import wavefile from 'wavefile';
import { TASK_KINDS, Task, type TaskKind } from '../../src/protocol/index.ts';
import { checkResult } from '../../src/studio/demo/check-result.ts';
import { demoJobs } from '../../src/studio/demo/demo-jobs.ts';
import { openProgressView } from '../../src/studio/demo/progress-view.ts';
import { table } from '../../src/studio/demo/table.ts';
import type { JobStatus, StudioEvent } from '../../src/studio/operator-client.ts';

describe('the jobs', () => {
  test('are one valid task of each kind, with a file each', () => {
    const jobs = demoJobs(undefined, 1);
    assert.deepEqual(
      jobs.map((job) => job.order.kind),
      [...TASK_KINDS],
    );
    assert.deepEqual(
      jobs.map((job) => job.file),
      ['image.webp', 'llm.json', 'audio_stt.json', 'audio_tts.wav', 'video.webp'],
    );
    for (const { order } of jobs) Task.parse({ ...order.params, kind: order.kind });
  });

  test('are numbered when there are several, and about what was asked for', () => {
    const jobs = demoJobs('a heron', 2);
    assert.equal(jobs.length, 10);
    assert.deepEqual(
      jobs.slice(0, 2).map((job) => job.file),
      ['image-1.webp', 'image-2.webp'],
    );
    assert.equal(jobs[0]?.order.params.prompt, 'a heron');
  });
});

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#456' } });
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

const still = await picture(64, 64).webp().toBuffer();
const wrong: Array<[what: string, kind: TaskKind, bytes: Uint8Array]> = [
  ['a picture of another format', 'image', await picture(8, 8).png().toBuffer()],
  ['a truncated picture', 'image', still.subarray(0, still.length - 20)],
  ['a video of one picture', 'video', still],
  ['noise for speech', 'audio_tts', Buffer.from('noise')],
  ['an answer without choices', 'llm', json({ object: 'chat.completion', choices: [] })],
  ['a transcript that is no JSON', 'audio_stt', Buffer.from('hi')],
];

describe('the checks', () => {
  test('know a picture, an animation, speech, an answer and a transcript', async () => {
    // Frames that look the same would become one.
    const frames = await Promise.all(
      ['#400', '#040', '#004'].map((background) =>
        sharp({ create: { width: 16, height: 8, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const animation = await sharp(frames, { join: { animated: true } })
      .webp()
      .toBuffer();
    const wav = new wavefile.WaveFile();
    wav.fromScratch(1, 22_050, '16', new Int16Array(22_050));
    assert.equal(await checkResult('image', await picture(64, 32).webp().toBuffer()), 'webp 64×32');
    assert.equal(await checkResult('video', animation), 'webp 16×8, 3 frames');
    assert.equal(await checkResult('audio_tts', wav.toBuffer()), 'wav 22050 Hz, mono, 1.0 s');
    const chat = { object: 'chat.completion', choices: [{ message: { role: 'assistant', content: 'hello' } }] };
    assert.equal(await checkResult('llm', json(chat)), 'answer of 5 characters');
    const transcript = { text: 'hi', language: 'en', duration: 1 };
    assert.equal(await checkResult('audio_stt', json(transcript)), 'transcript of 2 characters (en)');
  });

  for (const [what, kind, bytes] of wrong) {
    test(`refuse ${what}`, () => assert.rejects(checkResult(kind, bytes)));
  }
});

describe('the progress', () => {
  const event = (jobId: string, status: JobStatus, more: object = {}) =>
    ({
      type: 'job',
      data: { jobId, status, kind: 'llm', model: 'm', attempts: 0, at: 0, ...more },
    }) as Extract<StudioEvent, { type: 'job' }>;

  function show(isTTY: boolean, rows?: number): string {
    let out = '';
    const view = openProgressView({ isTTY, ...(rows && { rows }), write: (text) => (out += text) });
    view.track('a', 'image');
    view.track('b', 'llm');
    view.see(event('a', 'claimed', { acceptedAt: 1, progress: { ratio: 0.5 } }));
    view.see(event('a', 'claimed', { acceptedAt: 1, progress: { ratio: 0.5 } }));
    view.see(event('elsewhere', 'done'));
    view.see(event('b', 'failed', { error: { message: 'out of memory' } }));
    view.end();
    return out;
  }

  test('is a line for each change without a terminal', () => {
    assert.deepEqual(show(false).split('\n'), [
      '  image              queued',
      '  llm                queued',
      '  image              running  [##########..........] 50 %',
      '  llm                failed  out of memory',
      '',
    ]);
  });

  test('is a line for each change on a terminal that the block would not fit on', () => {
    assert.equal(show(true, 2).split('\x1b[J').length, 1);
  });

  test('is one block that is drawn anew on a terminal', () => {
    const blocks = show(true).split('\x1b[J');
    assert.equal(blocks.length, 4);
    assert.match(blocks.at(-1) ?? '', /^ {2}image {14}running .*50 %\n {2}llm {16}failed {2}out of memory\n$/);
  });
});

test('a table has its columns below each other', () => {
  assert.equal(table(['kind', 'ms'], [['image', '7']]), 'kind   ms\n-----  --\nimage  7');
});
