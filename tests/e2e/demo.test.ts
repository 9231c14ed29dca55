// The README's first command, as a newcomer runs it: no terminal, and a folder to leave the results in.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from './cli.ts';

test('the demo makes five results, says what it did, and leaves nothing running', async () => {
  const out = await mkdtemp(join(tmpdir(), 'studio-worker-demo-'));
  try {
    const demo = await runCli(['demo', '--out', out, '--prompt', 'a lighthouse at dawn']);
    assert.equal(demo.code, 0, demo.stderr + demo.stdout);
    assert.deepEqual((await readdir(out)).sort(), [
      'audio_stt.json',
      'audio_tts.wav',
      'image.webp',
      'llm.json',
      'video.webp',
    ]);
    for (const kind of ['image', 'llm', 'audio_stt', 'audio_tts', 'video'])
      assert.match(demo.stdout, new RegExp(`${kind} `));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});

test('a demo that cannot write its results fails and says so', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-demo-'));
  try {
    const file = join(dir, 'taken');
    await writeFile(file, '');
    const demo = await runCli(['demo', '--out', file]);
    assert.equal(demo.code, 1);
    assert.match(demo.stderr, /taken/);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
