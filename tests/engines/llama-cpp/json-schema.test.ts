import assert from 'node:assert/strict';
import { test } from 'node:test';
import { supportedSchema } from '../../../src/engines/llama-cpp/json-schema.ts';

const ANY_OBJECT = { type: 'object', properties: {}, additionalProperties: true };

for (const [title, given, converted] of [
  ['a plain type', { type: 'integer', title: 'Age', description: 'in years' }, { type: 'integer' }],
  ['lengths of text', { type: 'string', minLength: 1, maxLength: 9 }, { type: 'string', minLength: 1, maxLength: 9 }],
  ['a date', { type: 'string', format: 'date' }, { type: 'string', format: 'date' }],
  ['another format is an annotation', { type: 'string', format: 'email' }, { type: 'string' }],
  ['any object', { type: 'object' }, ANY_OBJECT],
  [
    'an object with just its properties',
    { properties: { a: { type: 'null' } }, required: ['a'] },
    { type: 'object', properties: { a: { type: 'null' } }, additionalProperties: false },
  ],
  [
    'a map',
    { type: 'object', additionalProperties: { type: 'number' } },
    { type: 'object', properties: {}, additionalProperties: { type: 'number' } },
  ],
  ['a list', { items: { type: 'string' }, maxItems: 3 }, { type: 'array', maxItems: 3, items: { type: 'string' } }],
  [
    'an optional value',
    { anyOf: [{ type: 'string' }, { type: 'null' }] },
    { oneOf: [{ type: 'string' }, { type: 'null' }] },
  ],
  ['several types', { type: ['object', 'null'] }, { oneOf: [ANY_OBJECT, { type: 'null' }] }],
  ['constants', { enum: ['a', 1, null] }, { enum: ['a', 1, null] }],
  [
    'definitions by their old name',
    { $ref: '#/definitions/A', definitions: { A: { const: 1 } } },
    { $ref: '#/$defs/A', $defs: { A: { const: 1 } } },
  ],
] as const) {
  test(title, () => assert.deepEqual(supportedSchema(given), converted));
}

const deep = Array.from({ length: 100 }).reduce<object>((inner) => ({ items: inner }), { type: 'null' });
for (const [title, given, message] of [
  ['no schema', 7, 'jsonSchema is not a schema'],
  ['nothing allowed', false, 'jsonSchema is not a schema'],
  ['a pattern', { type: 'string', pattern: 'a' }, 'jsonSchema uses `pattern`, which cannot be enforced'],
  [
    'a limit deep inside',
    { properties: { a: { items: { type: 'number', minimum: 1 } } } },
    'jsonSchema at /properties/a/items uses `minimum`, which cannot be enforced',
  ],
  ['an unknown type', { type: 'date' }, 'jsonSchema has the unknown type `date`'],
  [
    'a foreign reference',
    { $ref: 'https://x.invalid/s' },
    'jsonSchema refers to `https://x.invalid/s`; only #/$defs/<name> can be followed',
  ],
  [
    'a required stranger',
    { properties: {}, required: ['a'] },
    'jsonSchema requires `a`, which is not among its properties',
  ],
  ['a reference to nothing', { $ref: '#/$defs/A' }, 'jsonSchema refers to `#/$defs/A`, which is not defined'],
  ['a count that is none', { type: 'string', minLength: 'x' }, 'jsonSchema has a `minLength` that is no count'],
  [
    'a count that is not counted',
    { type: 'array', maxItems: 2001 },
    'jsonSchema has a `maxItems` above 2000, which cannot be enforced',
  ],
  [
    'limits the wrong way round',
    { type: 'object', minProperties: 3, maxProperties: 2 },
    'jsonSchema has a `minProperties` above its `maxProperties`',
  ],
  ['an object as a constant', { const: {} }, 'jsonSchema has an object or array as a constant'],
  ['an empty enum', { enum: [] }, 'jsonSchema has an empty enum'],
] as const) {
  test(`refused: ${title}`, () => assert.throws(() => supportedSchema(given), { code: 'INPUT_INVALID', message }));
}

test('refused: nested without end', () => {
  assert.throws(() => supportedSchema(deep), { code: 'INPUT_INVALID', message: /is nested deeper than 64 levels$/ });
});
