import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { brokenGgufs } from '../../../fixtures/models/broken-gguf.ts';
import { scriptedLlama } from '../../../fixtures/models/scripted-llama.ts';
import type { ModelRef } from '../../../src/engines/engine.ts';
import { checkModel } from '../../../src/engines/llama-cpp/check-model.ts';
import { pickModelFile } from '../../../src/engines/llama-cpp/model-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'gguf-test-'));
after(() => rm(folder, { recursive: true, force: true }));
const good = scriptedLlama({ scripts: [{ pieces: ['a', 'b'] }], addBos: true });

function check(file: Buffer, filename = 'model.gguf') {
  const path = join(folder, filename);
  writeFileSync(path, file);
  return checkModel({ role: 'model', filename, path });
}

test('a good file says what the engine asks', () => {
  const { architecture, addBos, chatTemplate } = check(good);
  assert.deepEqual({ architecture, addBos }, { architecture: 'llama', addBos: true });
  assert.match(chatTemplate ?? '', /add_generation_prompt/);
  assert.equal(check(scriptedLlama({ scripts: [{ pieces: [] }], template: null })).chatTemplate, undefined);
});

const REASONS: Readonly<Record<string, RegExp>> = {
  'empty.gguf': /is empty; remove it/,
  'webpage.gguf': /is not a GGUF file: it starts with "<!do"/,
  'version-9.gguf': /cannot be read: it has GGUF version 9/,
  'big-endian.gguf': /cannot be read: it is big-endian/,
  'many-keys.gguf': /is damaged: it claims to have 4294967295 keys/,
  'header-cut.gguf': /ends early or is damaged: it claims to have \d+ tokens/,
  'data-cut.gguf': /ends early: it has \d+ of at least \d+ bytes/,
  'no-layers.gguf': /has no layers/,
  'many-layers.gguf': /says that it has 4000000000 layers, and holds only 12 tensors/,
  'no-heads.gguf': /does not say its llama\.attention\.head_count; use another file/,
  'zero-heads.gguf': /does not say its llama\.attention\.head_count/,
  'zero-width.gguf': /does not say its llama\.embedding_length/,
  'no-feed-forward.gguf': /does not say its llama\.feed_forward_length/,
  'same-token-twice.gguf': /has the same token twice/,
  'no-bytes.gguf': /has no tokens for plain bytes/,
  'encoder.gguf': /is the picture encoder of a model/,
  'no-tensors.gguf': /has no tensors/,
};

for (const [filename, file] of Object.entries(brokenGgufs())) {
  const reason = REASONS[filename];
  test(`${filename} is ${reason ? 'refused' : 'left to llama.cpp'}`, () => {
    if (!reason) return void check(file, filename);
    assert.throws(() => check(file, filename), { code: 'MODEL_INVALID', message: reason });
  });
}

test('wherever a file is cut, it is refused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length - 32 }), (length) => {
      assert.throws(() => check(good.subarray(0, length)), { code: 'MODEL_INVALID' });
    }),
  );
});

test('whatever byte is damaged, the check ends, in a failure or not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const file = Buffer.from(good);
      file[at] = value;
      try {
        check(file);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, 'MODEL_INVALID');
      }
    }),
  );
});

test('a file that cannot be read is missing', () => {
  const gone = { role: 'model', filename: 'gone.gguf', path: join(folder, 'gone.gguf') };
  assert.throws(() => checkModel(gone), { code: 'MODEL_SOURCE_MISSING', message: /gone\.gguf cannot be read: ENOENT/ });
});

test('the model is the file with that role, else the first .gguf', () => {
  const ref = { model: 'm' } as ModelRef;
  const file = (role: string, filename: string) => ({ role, filename, path: filename });
  const files = [file('readme', 'a.md'), file('projector', 'b.GGUF'), file('model', 'c.bin'), file('model', 'd.Gguf')];
  assert.equal(pickModelFile(ref, files).filename, 'd.Gguf');
  assert.equal(pickModelFile(ref, files.slice(0, 3)).filename, 'b.GGUF');
  const parts = ['m-00002-of-00002.gguf', 'm-00001-of-00002.gguf'].map((name) => file('model', name));
  assert.equal(pickModelFile(ref, parts).filename, 'm-00001-of-00002.gguf');
  assert.throws(() => pickModelFile(ref, files.slice(0, 1)), { code: 'MODEL_SOURCE_MISSING', message: /has a\.md$/ });
});
