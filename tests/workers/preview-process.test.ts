// The process that makes small pictures: that it lives no longer than it is wanted, and that its death costs one picture.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { openPreviewProcess } from '../../src/workers/preview-process.ts';
import { type TempDir, tempDir } from '../supervisor/temp-dir.ts';
import { isAlive } from './rig.ts';

async function picture(dir: TempDir, side = 10): Promise<string> {
  const path = dir.file(`picture-${side}.png`);
  await sharp({ create: { width: side, height: side, channels: 3, background: 'red' } })
    .png()
    .toFile(path);
  return path;
}

/** Looks until it is gone; the runner's limit ends what never is. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(20);
}

test('one process makes one picture after another, and goes when it is disposed', async () => {
  await using dir = await tempDir();
  const path = await picture(dir);
  const previews = openPreviewProcess({ scratchDir: dir.path, modelsRoot: dir.path });
  assert.equal(previews.pid, undefined);
  await previews.make(path, 'png');
  const { pid } = previews;
  assert.equal((await sharp(await previews.make(path, 'png')).metadata()).format, 'png');
  assert.equal(previews.pid, pid);
  await previews[Symbol.asyncDispose]();
  assert.ok(pid !== undefined && !isAlive(pid));
  await assert.rejects(previews.make(path, 'png'), /stopping/);
});

test('a process that nobody wants for a while goes, and comes back', async () => {
  await using dir = await tempDir();
  const path = await picture(dir);
  await using previews = openPreviewProcess({ scratchDir: dir.path, modelsRoot: dir.path, restMs: 1 });
  await previews.make(path, 'png');
  const { pid } = previews;
  assert.ok(pid !== undefined);
  await gone(pid);
  await previews.make(path, 'png');
});

test('a process that dies at work costs that picture; the next one has another', async () => {
  await using dir = await tempDir();
  const path = await picture(dir);
  await using previews = openPreviewProcess({ scratchDir: dir.path, modelsRoot: dir.path });
  const lost = previews.make(await picture(dir, 4_000), 'png');
  const { pid } = previews;
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await assert.rejects(lost, /it was ended by SIGKILL/);
  await previews.make(path, 'png');
  assert.notEqual(previews.pid, pid);
});

test('an answer that does not come in time is not waited for', async () => {
  await using dir = await tempDir();
  await using previews = openPreviewProcess({ scratchDir: dir.path, modelsRoot: dir.path, answerMsMax: 1 });
  const path = await picture(dir);
  const late = previews.make(path, 'png');
  const { pid } = previews;
  await assert.rejects(late, /no answer within 1 ms/);
  assert.ok(pid !== undefined);
  await gone(pid);
});

test('bombs and bad files are refused with a reason', async () => {
  await using dir = await tempDir();
  await using previews = openPreviewProcess({ scratchDir: dir.path, modelsRoot: dir.path });
  const text = dir.file('text');
  await writeFile(text, 'no picture');
  const bomb = dir.file('bomb.png');
  await writeFile(bomb, pngOfSize(60_000, 60_000));
  for (const [path, why] of [
    [text, /not a picture/],
    [bomb, /megapixels|not a picture/],
    [dir.file('nowhere'), /ENOENT/],
    [dir.path, /not a picture|EISDIR/],
  ] as const) {
    await assert.rejects(previews.make(path, 'png'), why);
  }
  const { pid } = previews;
  await previews.make(await picture(dir), 'png');
  assert.equal(previews.pid, pid, 'nothing of it has hurt the process');
});

/** The head of a picture that claims to be that large. */
function pngOfSize(width: number, height: number): Uint8Array {
  const head = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const size = Buffer.alloc(17);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  size.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([head, size]);
}
