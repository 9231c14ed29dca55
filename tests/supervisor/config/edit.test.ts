import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { editToml, type TomlValue } from '../../../src/supervisor/config/edit.ts';
import { maskText } from '../../../src/supervisor/config/mask.ts';

test('an edit changes one value and nothing around it', () => {
  const text = '# mine\nvram_threshold_gb = 12.0 # for the 3060\n\n[pools.image]\n# half\nvram_gb = 6\n';
  assert.equal(editToml(text, { vram_threshold_gb: 16 }), text.replace('12.0', '16.0'));
  assert.equal(editToml(text, { vram_threshold_gb: 16.5 }), text.replace('12.0', '16.5'));
  assert.equal(editToml(text, { vram_threshold_gb: 12 }), text);
});

test('a new key is put before the tables, and before the comment that belongs to the first of them', () => {
  assert.equal(
    editToml('a = 1\n\n# how loud\n[logging]\nlevel = "info"\n', { worker_id: 'w-1', label: 'x' }),
    'a = 1\nworker_id = "w-1"\nlabel = "x"\n\n# how loud\n[logging]\nlevel = "info"\n',
  );
  assert.equal(editToml('[logging]\nkeep = 3\n', { a: 1 }), 'a = 1\n\n[logging]\nkeep = 3\n');
  assert.equal(editToml('# only this', { a: true }), '# only this\na = true\n');
  assert.equal(editToml('', { a: 'x' }), 'a = "x"\n');
});

test('a line that only looks like a table header does not mislead it', () => {
  const text = 'note = """\n[not a table]\n"""\nlist = [\n  1,\n]\n';
  const edited = editToml(text, { worker_id: 'w-1' });
  assert.deepEqual({ ...parse(edited) }, { note: '[not a table]\n', list: [1], worker_id: 'w-1' });
  assert.ok(edited.startsWith('note = """\n[not a table]\n"""\n'));
});

test('removing a key removes its line', () => {
  assert.equal(editToml('a = 1\nauth_token = "t"\nb = 2\n', { auth_token: undefined }), 'a = 1\nb = 2\n');
  assert.equal(editToml('a = 1\n', { auth_token: undefined }), 'a = 1\n');
});

test('Windows line ends and a byte order mark survive', () => {
  const text = '\uFEFF# mine\r\na = 1\r\n\r\n[logging]\r\nkeep = 3\r\n';
  const edited = editToml(text, { a: 2, worker_id: 'w-1' });
  assert.equal(edited, '\uFEFF# mine\r\na = 2\r\nworker_id = "w-1"\r\n\r\n[logging]\r\nkeep = 3\r\n');
});

test('values that only few files have survive too: dates, big integers, dotted and quoted keys, inline tables', () => {
  const text =
    'd = 1979-05-27T07:32:00Z\nbig = 9007199254740993\ninf = inf\nx."y z" = 1\nt = { a = 1, b = [1, 2] }\n"é" = "\\u00e9"\n';
  assert.equal(editToml(text, { auth_token: 'q"\\\n' }), `${text}auth_token = "q\\"\\\\\\n"\n`);
});

const key = fc.constantFrom('auth_token', 'label', 'worker_id', 'vram_threshold_gb', 'odd');
const value: fc.Arbitrary<TomlValue | undefined> = fc.oneof(
  fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed()),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
  fc.constant(undefined),
);
const line = fc.constantFrom('', '# a note', 'odd = 1 # why', 'label = "rig"', 'vram_threshold_gb = 12.0', 'big = 3');
const table = fc.constantFrom(
  '',
  '\n# of the table\n[logging]\nkeep = 3\n',
  '[pools.llm]\nthreads = 2\n[pools.image]\n',
);

test('whatever is edited into whatever file, the result says it and keeps every comment', () => {
  fc.assert(
    fc.property(fc.uniqueArray(line), table, fc.dictionary(key, value), (lines, tables, changes) => {
      const text = `${lines.join('\n')}\n${tables}`;
      const edited = editToml(text, changes);
      const expected: Record<string, unknown> = { ...parse(text) };
      for (const [name, each] of Object.entries(changes)) {
        if (each === undefined) delete expected[name];
        else expected[name] = each;
      }
      assert.deepEqual(JSON.parse(JSON.stringify(parse(edited))), JSON.parse(JSON.stringify(expected)));
      if (lines.includes('# a note') && Object.values(changes).every((each) => each !== undefined)) {
        assert.ok(edited.includes('# a note'));
      }
    }),
  );
});

test('masking hides secrets at any depth, in comments too, and keeps the rest', () => {
  const text = `# my worker
auth_token = "aaaa-secret"   # given in May
# auth_token = "bbbb-secret"
registration_secret = ''
worker_id = "w-1"
hf_token = "cccc-secret"
[extra]
api_key = 'dddd-secret'
url = "https://ada:eeee-secret@example.com/?token=ffff-secret"
`;
  const masked = maskText(text);
  assert.ok(!masked.includes('secret"'), masked);
  assert.ok(!/[a-f]{4}-secret/.test(masked), masked);
  for (const kept of [
    '# my worker',
    '# given in May',
    'worker_id = "w-1"',
    'auth_token = "****"',
    '# auth_token = "****"',
  ]) {
    assert.ok(masked.includes(kept), `${kept} in ${masked}`);
  }
});
