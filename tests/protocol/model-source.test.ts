// Model sources: what is required, what may be absent, and that a file name is never a path.
import assert from 'node:assert/strict';
import test from 'node:test';
import { ModelSource } from '../../src/protocol/index.ts';
import { modelSource } from './samples.ts';

const file = { role: 'model', url: 'https://h/m.gguf', filename: 'm.gguf' };
const needed = { cfgScale: 1, steps: 8, width: 64, height: 64 };
const withFile = (change: Record<string, unknown>) => ({
  engine: 'onnx',
  files: [{ ...file, ...change }],
  cliDefaults: needed,
});

test('a complete source is read unchanged', () => {
  assert.deepEqual(ModelSource.parse(modelSource), modelSource);
});

test('absent and null options stay out of the JSON', () => {
  const options = Object.keys(modelSource.cliDefaults).filter((key) => !(key in needed));
  const nulls = Object.fromEntries(options.map((key) => [key, null]));
  const parsed = ModelSource.parse({
    engine: 'llama-cpp',
    files: [{ ...file, approxBytes: null, sha256: null }],
    cliDefaults: { ...nulls, ...needed },
  });
  assert.deepEqual(JSON.parse(JSON.stringify(parsed)), { engine: 'llama-cpp', files: [file], cliDefaults: needed });
});

test('a source may bring no files', () => {
  assert.ok(ModelSource.safeParse({ engine: 'synthetic', files: [], cliDefaults: needed }).success);
});

for (const key of Object.keys(needed)) {
  test(`cliDefaults need ${key}, whatever the engine`, () => {
    const { [key]: _, ...rest } = needed as Record<string, number>;
    assert.equal(ModelSource.safeParse({ engine: 'llama-cpp', files: [], cliDefaults: rest }).success, false);
  });
}

for (const key of ['engine', 'files', 'cliDefaults'] as const) {
  test(`a source without ${key} is refused`, () => {
    const { [key]: _, ...rest } = modelSource;
    assert.equal(ModelSource.safeParse(rest).success, false);
  });
}

for (const engine of ['sd-cpp', 'llama-cpp', 'onnx', 'parakeet', 'synthetic', 'an-engine-of-2031', '3d']) {
  test(`engine ${engine} is readable, known here or not`, () => {
    assert.ok(ModelSource.safeParse({ ...modelSource, engine }).success);
  });
}
for (const engine of ['', '-x', 'SD-CPP', 'sd cpp', '../x', 'x'.repeat(65)]) {
  test(`${JSON.stringify(engine.slice(0, 12))} is no engine id`, () => {
    assert.equal(ModelSource.safeParse({ ...modelSource, engine }).success, false);
  });
}

for (const filename of ['m.gguf', 'model (1).safetensors', 'ünïcode.bin', '..x', '...', 'x'.repeat(255)]) {
  test(`a file may be called ${filename.slice(0, 30)}`, () => {
    assert.ok(ModelSource.safeParse(withFile({ filename })).success);
  });
}
for (const filename of ['', '.', '..', '../x', '/etc/passwd', 'a/b', 'a\\b', 'C:\\x', 'a\0b', 'x'.repeat(256)]) {
  test(`${JSON.stringify(filename.slice(0, 12))} (${filename.length} characters) is no plain file name`, () => {
    assert.equal(ModelSource.safeParse(withFile({ filename })).success, false);
  });
}

const fileFields: [string, unknown, boolean][] = [
  ['approxBytes', 0, true],
  ['approxBytes', 2 ** 53 + 2, true],
  ['approxBytes', -1, false],
  ['approxBytes', 1.5, false],
  ['sha256', 'AB'.repeat(32), true],
  ['sha256', 'ab'.repeat(31), false],
  ['sha256', 'zz'.repeat(32), false],
  ['role', undefined, false],
  ['url', undefined, false],
];
for (const [key, value, fine] of fileFields) {
  test(`a file with ${key} ${JSON.stringify(value)?.slice(0, 20)} is ${fine ? 'taken' : 'refused'}`, () => {
    assert.equal(ModelSource.safeParse(withFile({ [key]: value })).success, fine);
  });
}

test('a source names 64 files at most', () => {
  const files = (count: number) => ({ ...modelSource, files: Array.from({ length: count }, () => file) });
  assert.ok(ModelSource.safeParse(files(64)).success);
  assert.equal(ModelSource.safeParse(files(65)).success, false);
});
