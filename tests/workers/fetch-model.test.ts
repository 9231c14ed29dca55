// Fetching without loading, in a real thread and from a real server.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ModelSource } from '../../src/protocol/index.ts';
import { type FetchOptions, fetchModel } from '../../src/workers/fetch-model.ts';
import { fileServer } from '../engines/models/file-server.ts';
import { tempDir } from '../supervisor/temp-dir.ts';

const DATA = Buffer.alloc(300_000, 'the weights of a model ');

function sourceAt(base: string): ModelSource {
  const sha256 = createHash('sha256').update(DATA).digest('hex');
  return {
    engine: 'llama-cpp',
    files: [{ role: 'model', url: `${base}/m.gguf`, filename: 'm.gguf', sha256, approxBytes: DATA.length }],
    cliDefaults: { cfgScale: 0, steps: 0, width: 0, height: 0 },
  };
}

function options(modelsRoot: string, more: Partial<FetchOptions> = {}): FetchOptions {
  return {
    settings: { gpu: 'auto', cpuThreads: 1, network: { allowLoopback: true, allowedHosts: [] }, modelsRoot },
    signal: new AbortController().signal,
    progress: () => {},
    log: () => {},
    ...more,
  };
}

test('the files are there afterwards, and are not fetched a second time', async () => {
  await using server = await fileServer(DATA);
  await using dir = await tempDir();
  const ratios: number[] = [];
  const lines: string[] = [];
  const wanted = { model: 'a/model', source: sourceAt(server.base) };
  const heard = {
    progress: (ratio: number) => void ratios.push(ratio),
    log: (_: string, line: string) => void lines.push(line),
  };
  const files = await fetchModel(wanted, options(dir.path, heard));
  const path = join(dir.path, 'a_model', 'm.gguf');
  assert.deepEqual(files, [{ role: 'model', filename: 'm.gguf', path }]);
  assert.deepEqual(await readFile(path), DATA);
  assert.equal(ratios.at(-1), 1);
  assert.ok(
    lines.some((line) => line.includes('downloading')),
    lines.join('\n'),
  );
  await fetchModel(wanted, options(dir.path));
  assert.equal(server.asked.length, 1);
});

test('one that is stopped keeps what has arrived, and the next one goes on with it', async () => {
  await using server = await fileServer(DATA);
  await using dir = await tempDir();
  const wanted = { model: 'm', source: sourceAt(server.base) };
  const stopping = new AbortController();
  server.next({ dropAfter: 200_000 }, { stallAfter: 0 });
  const log = (_: string, line: string): void => {
    if (line.includes('broke off after 200000 bytes')) stopping.abort();
  };
  await assert.rejects(fetchModel(wanted, options(dir.path, { signal: stopping.signal, log })), { code: 'CANCELLED' });
  const part = (await readdir(join(dir.path, 'm'))).find((name) => name.endsWith('.part'));
  assert.equal((await stat(join(dir.path, 'm', part ?? 'none'))).size, 200_000);
  await fetchModel(wanted, options(dir.path));
  assert.deepEqual(await readFile(join(dir.path, 'm', 'm.gguf')), DATA);
  assert.equal(server.asked.at(-1)?.headers.range, 'bytes=200000-');
});

test('one that was stopped before it began asks nobody; a file that is not there fails with its code', async () => {
  await using server = await fileServer(DATA);
  await using dir = await tempDir();
  const wanted = { model: 'm', source: sourceAt(server.base) };
  await assert.rejects(fetchModel(wanted, options(dir.path, { signal: AbortSignal.abort() })), { code: 'CANCELLED' });
  assert.equal(server.asked.length, 0);
  server.next({ status: 404 });
  await assert.rejects(fetchModel(wanted, options(dir.path)), { code: 'MODEL_NOT_FOUND', message: /m\.gguf/ });
});
