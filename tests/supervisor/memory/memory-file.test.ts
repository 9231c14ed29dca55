// The peaks of models, over restarts of the worker.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { hasMemoryOfItsOwn } from '../../../src/supervisor/device/probe.ts';
import { openMemoryFile } from '../../../src/supervisor/memory/memory-file.ts';
import { PEAKS_MAX, type Peaks, parsePeaks, peaksText, withPeak } from '../../../src/supervisor/memory/peaks.ts';
import type { MeasuredModel } from '../../../src/workers/types.ts';
import { tempDir } from '../temp-dir.ts';

const GIB = 1024 ** 3;
const model = (key = 'k', reservedBytes = GIB): MeasuredModel => ({
  key,
  model: `model-${key}`,
  engine: 'test',
  kind: 'llm',
  reservedBytes,
});
const onGpu = () => ({ gpu: 'auto', inRam: false });
const onCpu = () => ({ gpu: 'cpu', inRam: true });

function ears() {
  const lines: { message: string; fields: Record<string, unknown> }[] = [];
  const write = (_area: string, message: string, fields: Record<string, unknown> = {}) =>
    void lines.push({ message, fields });
  return { lines, logs: { info: write, warn: write } };
}

test('a peak is remembered over a restart, and the difference is logged once', async () => {
  await using dir = await tempDir();
  const path = dir.file('memory.json');
  const { lines, logs } = ears();
  {
    await using memory = await openMemoryFile({ path, placeOf: onGpu, logs });
    assert.equal(memory.peakOf('k', 'llm'), undefined);
    memory.measured(model(), { memoryBytes: 2 * GIB, rssBytes: 9 * GIB });
    memory.measured(model(), { memoryBytes: 2 * GIB + 1 });
    memory.measured(model(), { memoryBytes: GIB });
    memory.measured(model('unknown'), { rssBytes: GIB });
    memory.measured(model('odd'), { memoryBytes: Number.NaN });
  }
  assert.deepEqual(
    lines.map(({ fields }) => fields),
    [{ model: 'model-k', engine: 'test', reservedGb: 1, tookGb: 2, differenceGb: 1 }],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await using again = await openMemoryFile({ path, placeOf: onGpu, logs });
  assert.deepEqual(
    [again.peakOf('k', 'llm'), again.peakOf('unknown', 'llm'), again.peakOf('odd', 'llm')],
    [2 * GIB, undefined, undefined],
  );
  // On another device the same model takes another amount.
  await using other = await openMemoryFile({ path, placeOf: onCpu, logs });
  assert.equal(other.peakOf('k', 'llm'), undefined);
});

test('where models live in RAM, the RAM of the engine’s process counts when the engine says nothing', async () => {
  await using dir = await tempDir();
  const { logs } = ears();
  await using memory = await openMemoryFile({ path: dir.file('m.json'), placeOf: onCpu, logs });
  memory.measured(model('a'), { rssBytes: GIB });
  memory.measured(model('b'), { memoryBytes: 5, rssBytes: GIB });
  assert.deepEqual([memory.peakOf('a', 'llm'), memory.peakOf('b', 'llm')], [GIB, 5]);
});

test('an unreadable file is set aside, and the worker goes on', async () => {
  await using dir = await tempDir();
  for (const text of ['', '{', '{"version":2,"peaks":[]}', '{"version":1,"peaks":[{"key":""}]}']) {
    await writeFile(dir.file('memory.json'), text);
    const { lines, logs } = ears();
    await using memory = await openMemoryFile({ path: dir.file('memory.json'), placeOf: onGpu, logs });
    assert.equal(lines.length, 1);
    memory.measured(model(), { memoryBytes: 7 });
  }
  assert.equal(await readFile(dir.file('memory.json.unreadable'), 'utf8'), '{"version":1,"peaks":[{"key":""}]}');
  assert.deepEqual((await readdir(dir.path)).sort(), ['memory.json', 'memory.json.unreadable']);
});

test('a file that cannot be written costs a line in the log', async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('memory.json'));
  const { lines, logs } = ears();
  {
    await using memory = await openMemoryFile({ path: dir.file('memory.json'), placeOf: onGpu, logs });
    memory.measured(model(), { memoryBytes: 7 });
    assert.equal(memory.peakOf('k', 'llm'), 7);
  }
  assert.match(lines.at(-1)?.message ?? '', /cannot be remembered/);
});

test('so many models are remembered, and the one measured longest ago is forgotten', () => {
  const now = new Date(0);
  let peaks: Peaks = [];
  for (let i = 0; i <= PEAKS_MAX; i += 1) peaks = withPeak(peaks, model(`k${i}`), 100, now) ?? [];
  assert.equal(peaks.length, PEAKS_MAX);
  assert.equal(peaks[0]?.key, 'k1');
  // Measured again, it is the newest; its first estimate stays.
  peaks = withPeak(peaks, model('k1', 5), 200, now) ?? [];
  assert.deepEqual([peaks.at(-1)?.key, peaks.at(-1)?.bytes, peaks.at(-1)?.estimateBytes], ['k1', 200, GIB]);
  assert.deepEqual(parsePeaks(peaksText(peaks)), peaks);
  assert.equal(withPeak(peaks, model('k1'), 201, now), undefined);
});

test('a Mac’s and an unknown device have no memory of their own', () => {
  const own = (['nvidia-proc', 'nvidia-smi', 'amd-sysfs', 'windows-cim', 'sysctl', 'unknown'] as const).map((source) =>
    hasMemoryOfItsOwn({ source }),
  );
  assert.deepEqual(own, [true, true, true, true, false, false]);
});
