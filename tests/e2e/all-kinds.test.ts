// The tour: one job of each kind, from an operator's order to a file that can be decoded, with nothing but real parts.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import wavefile from 'wavefile';
import { openScene, SYNTHETIC_JOBS } from './scene.ts';

test('a worker is let in, does one job of each kind, and leaves decodable results at the studio', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker();

  const ids: Record<string, string> = {};
  for (const order of SYNTHETIC_JOBS) ids[order.kind] = (await scene.operator.createJob(order)).id;
  for (const [kind, id] of Object.entries(ids)) {
    const job = await scene.ended(id);
    assert.equal(job.status, 'done', `${kind}: ${JSON.stringify(job.error)}`);
    assert.equal(job.attempts <= 1, true);
  }
  const output = async (kind: string) => (await scene.operator.output(ids[kind] ?? '')).bytes;

  const image = await sharp(await output('image')).metadata();
  assert.deepEqual([image.format, image.width, image.height], ['png', 320, 200]);

  const video = await sharp(await output('video'), { animated: true }).metadata();
  assert.equal(video.format, 'webp');
  assert.ok((video.pages ?? 1) > 1, 'the video has several frames');

  const wav = new wavefile.WaveFile(await output('audio_tts'));
  assert.equal((wav.fmt as { sampleRate: number }).sampleRate, 22_050);

  const chat = (await scene.operator.job(ids.llm ?? '')).result as { choices: { message: { content: string } }[] };
  assert.match(chat.choices[0]?.message.content ?? '', /^\[synthetic\] reply to prompt #[0-9a-f]{16}$/);

  const heard = (await scene.operator.job(ids.audio_stt ?? '')).result as { text: string; language: string };
  assert.equal(heard.language, 'nl');
  assert.match(heard.text, /^\[synthetic\] transcript of [0-9a-f]{16}$/);

  // What was acknowledged is gone from the outbox.
  await worker.until('the studio has the result', (record) => record.jobId === ids.llm);
  worker.kill('SIGTERM');
  assert.deepEqual(await worker.exited, { code: 0, signal: null });
  assert.deepEqual(await readdir(join(worker.dir, 'outbox')), []);
});
