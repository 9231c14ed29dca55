// Answers that break off, as they do when the worker is killed: nothing half-done counts.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { takeBytes, takeText } from '../../../src/supervisor/cli/run-job/take-answer.ts';
import { tempDir } from '../temp-dir.ts';

/** As `fetch` gives it when the connection ends in the middle. */
function cut(text: string): Response {
  const body = new ReadableStream({
    pull(controller) {
      if (text === '') return controller.error(new TypeError('terminated'));
      controller.enqueue(new TextEncoder().encode(text));
      text = '';
    },
  });
  return new Response(body, { headers: { 'content-type': 'image/png' } });
}

const message = /^the answer broke off: the worker has ended/;

test('half of a picture is not left in its file', async () => {
  await using dir = await tempDir();
  await assert.rejects(takeBytes(cut('half'), { out: dir.file('fox.png'), json: false }), { message });
  assert.deepEqual(await readdir(dir.path), []);
});

test('a file that cannot be written is named', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('there'), 'mine');
  const out = dir.file('there/fox.png');
  await assert.rejects(takeBytes(cut('half'), { out, json: false }), { code: 'ENOTDIR' });
});

test('half of a text is no text, and neither is one without an end', async () => {
  await using dir = await tempDir();
  const delta = 'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n';
  const destination = { out: dir.file('answer.txt'), json: false };
  await assert.rejects(takeText(cut(delta), destination), { message });
  await assert.rejects(takeText(new Response(delta), destination), { message });
  const failed = new Response(`${delta}data: {"error":{"message":"the engine died"}}\n\n`);
  await assert.rejects(takeText(failed, destination), { message: 'the engine died' });
  assert.deepEqual(await readdir(dir.path), []);
});
