import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openRedactor } from '../../../src/supervisor/logs/redact.ts';

test('secrets are known by their shape', () => {
  const { text } = openRedactor();
  const cases: [given: string, expected: string][] = [
    ['Authorization: Bearer abc.def-123', 'Authorization: Bearer [redacted]'],
    ['bearer abc, then more', 'bearer [redacted], then more'],
    ['the bearer', 'the bearer'],
    ['use hf_AbCdEf123456 for it', 'use [redacted] for it'],
    ['half_open and hf_x', 'half_open and hf_x'],
    ['https://ada:pw@example.com/x', 'https://[redacted]@example.com/x'],
    ['wss://tok@example.com', 'wss://[redacted]@example.com'],
    ['https://example.com/a@b', 'https://example.com/a@b'],
    ['https://e.com/?a=1&token=abc&b=2', 'https://e.com/?a=1&token=[redacted]&b=2'],
    ['https://e.com/?access_token=abc#x', 'https://e.com/?access_token=[redacted]#x'],
    ['https://e.com/?X-Amz-Signature=abc', 'https://e.com/?X-Amz-Signature=[redacted]'],
    ['tokens=12 of 40', 'tokens=12 of 40'],
    ['', ''],
  ];
  for (const [given, expected] of cases) assert.equal(text(given), expected, given);
});

test('secrets that were named are taken out, however they are written', () => {
  const { text, add } = openRedactor(['s3cret/with+signs', undefined, '', 'abc']);
  assert.equal(text('a s3cret/with+signs b'), 'a [redacted] b');
  assert.equal(text(`?x=${encodeURIComponent('s3cret/with+signs')}`), '?x=[redacted]');
  assert.equal(text('abc is too short to be told from text'), 'abc is too short to be told from text');
  add('quo"ted');
  assert.equal(text(JSON.stringify({ value: 'quo"ted' })), '{"value":"[redacted]"}');
  add('s3cret/with+signs-and-more');
  assert.equal(text('s3cret/with+signs-and-more'), '[redacted]');
});

test('fields are made plain, and those with a secret name are taken out whole', () => {
  const { data } = openRedactor(['s3cret']);
  const cause = Object.assign(new Error('why s3cret'), { code: 'ECONNREFUSED' });
  const error = new Error('what s3cret', { cause });
  const plain = data({
    authToken: 'x',
    headers: { Authorization: 'Basic abc', accept: '*/*' },
    promptTokens: 12,
    error,
    list: [1, 's3cret', new Set(['s3cret'])],
    map: new Map([['s3cret-key', 1]]),
    bytes: new Uint8Array(3),
    buffer: new ArrayBuffer(4),
    big: 10n,
    at: new Date(0),
    never: new Date(Number.NaN),
    nan: Number.NaN,
    url: new URL('https://ada:pw@example.com/'),
    none: null,
    missing: undefined,
    call: function named() {},
  }) as Record<string, unknown>;
  assert.ok(!JSON.stringify(plain).includes('s3cret'));
  const { error: shown, ...rest } = plain as { error: Record<string, unknown> };
  assert.deepEqual(rest, {
    authToken: '[redacted]',
    headers: { Authorization: '[redacted]', accept: '*/*' },
    promptTokens: 12,
    list: [1, '[redacted]', ['[redacted]']],
    map: { '[redacted]-key': 1 },
    bytes: '[3 bytes]',
    buffer: '[4 bytes]',
    big: '10',
    at: '1970-01-01T00:00:00.000Z',
    never: 'Invalid Date',
    nan: 'NaN',
    url: 'https://[redacted]@example.com/',
    none: null,
    missing: undefined,
    call: '[function named]',
  });
  assert.equal(shown.message, 'what [redacted]');
  assert.match(String(shown.stack), /^Error: what \[redacted\]\n {4}at /);
  assert.equal((shown.cause as { code: string }).code, 'ECONNREFUSED');
});

test('what is deep, wide, long or circular is bounded', () => {
  const { data, text } = openRedactor();
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.ok(JSON.stringify(data(circle)).endsWith('"[too deep]"}}}}}}'));
  assert.equal((data(new Array(500).fill(1)) as unknown[]).length, 101);
  assert.equal(
    Object.keys(data(Object.fromEntries(new Array(500).fill(0).map((_, i) => [i, i]))) as object).length,
    100,
  );
  assert.ok(text('x'.repeat(1_000_000)).length <= 256 * 1024);
  const errors = data(new AggregateError([new Error('one'), 'two'], 'several')) as { errors: unknown[] };
  assert.equal(errors.errors.length, 2);
});

const secret = fc.string({ minLength: 4, maxLength: 24, unit: fc.constantFrom(...'abc$^.*+?()[]{}|/\\"-=&% é') });

test('no named secret survives, wherever it stands', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(secret, { minLength: 1, maxLength: 4 }),
      fc.string(),
      fc.nat(),
      (secrets, filler, at) => {
        const { data } = openRedactor(secrets);
        const chosen = secrets[at % secrets.length] ?? '';
        const plain = data({ text: `${filler} ${chosen} ${filler}`, list: [{ [chosen]: new Error(chosen) }] });
        const { text, list } = plain as { text: string; list: Record<string, { message: string }>[] };
        const shown = [
          text,
          ...Object.keys(list[0] ?? {}),
          ...Object.values(list[0] ?? {}).map((each) => each.message),
        ];
        for (const each of shown) {
          // The filler may by chance hold a piece that the replacement completes, so only the replacement's text counts.
          assert.ok(!each.replaceAll('[redacted]', '').includes(chosen) || filler.includes(chosen), each);
        }
      },
    ),
  );
});
