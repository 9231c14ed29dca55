// Rewrites a JSON schema into the part of the language that the library turns into a grammar, or says what it cannot do.
// The library itself ignores what it does not know, and so would promise an answer that it does not enforce. Pure.
import type { Llama } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';

type Schema = Readonly<Record<string, unknown>>;
/** What the library takes. */
type Supported = Parameters<Llama['createGrammarForJsonSchema']>[0];

/** They forbid values, and no grammar is made of them. Other unknown words are annotations, and are left out. */
const UNSUPPORTED = [
  ...['pattern', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'uniqueItems', 'contains'],
  ...['allOf', 'not', 'if', 'patternProperties', 'propertyNames', 'dependentRequired', 'dependentSchemas'],
  ...['unevaluatedProperties', 'unevaluatedItems', 'dependencies', '$dynamicRef', '$recursiveRef'],
];
/** The limits of a type, least and most. */
const LIMITS: Readonly<Record<string, readonly [string, string]>> = {
  string: ['minLength', 'maxLength'],
  object: ['minProperties', 'maxProperties'],
  array: ['minItems', 'maxItems'],
};
/** llama.cpp takes a grammar with more repetitions, and does not count them. */
const LIMIT_MAX = 2000;
const SIMPLE = ['string', 'number', 'integer', 'boolean', 'null'];
/** What the library has grammars for. Other formats are annotations by the standard. */
const FORMATS = ['date-time', 'time', 'date'];
/** A schema is a tree of a person's making; deeper ones are mistakes, and each level costs stack. */
const DEPTH_MAX = 64;
const ANY = {
  oneOf: [
    ...SIMPLE.filter((type) => type !== 'integer').map((type) => ({ type })),
    { type: 'object', additionalProperties: true },
    { type: 'array' },
  ],
};

/** Rejects with `INPUT_INVALID`. Every value that the result allows, the schema allows too. */
export function supportedSchema(schema: unknown): Supported {
  // The library's type describes literals, which a schema from the wire is not.
  return convert(schema, { path: '', depth: 0, defs: new Set() }) as Supported;
}

/** Where a schema stands in the whole, and which definitions it can refer to. */
type Place = { readonly path: string; readonly depth: number; readonly defs: ReadonlySet<string> };

function convert(given: unknown, { path, depth, defs: outer }: Place): Schema {
  if (depth > DEPTH_MAX) throw refusal(path, `is nested deeper than ${DEPTH_MAX} levels`);
  if (given === true) return ANY;
  if (!isSchema(given)) throw refusal(path, 'is not a schema');
  const unsupported = UNSUPPORTED.find((word) => Object.hasOwn(given, word));
  if (unsupported !== undefined) throw refusal(path, `uses \`${unsupported}\`, which cannot be enforced`);
  // `definitions` is the older word for the same.
  const own = { ...record(given.definitions), ...record(given.$defs) };
  const names = Object.keys(own);
  const defs = new Set([...outer, ...names]);
  const inner: Inner = (value, step) => convert(value, { path: `${path}/${step}`, depth: depth + 1, defs });
  const $defs = Object.fromEntries(names.map((name) => [name, inner(own[name], `$defs/${name}`)]));
  return { ...shape(given, path, defs, inner), ...(names.length > 0 && { $defs }) };
}

type Inner = (value: unknown, step: string) => Schema;

function shape(given: Schema, path: string, defs: ReadonlySet<string>, inner: Inner): Schema {
  if (given.$ref !== undefined) return { $ref: reference(given.$ref, path, defs) };
  const choices = given.oneOf ?? given.anyOf;
  if (choices !== undefined) {
    if (!Array.isArray(choices) || choices.length === 0) throw refusal(path, 'has no choices');
    return { oneOf: choices.map((choice, index) => inner(choice, `${given.oneOf ? 'oneOf' : 'anyOf'}/${index}`)) };
  }
  if (Object.hasOwn(given, 'const')) return { const: literal(given.const, path) };
  if (given.enum !== undefined) {
    if (!Array.isArray(given.enum) || given.enum.length === 0) throw refusal(path, 'has an empty enum');
    return { enum: given.enum.map((value) => literal(value, path)) };
  }
  const type = given.type ?? impliedType(given);
  if (type === undefined) return ANY;
  if (!Array.isArray(type)) return typed(given, String(type), path, inner);
  if (type.length === 0) throw refusal(path, 'has no type');
  return { oneOf: type.map((one) => typed(given, String(one), path, inner)) };
}

function typed(given: Schema, type: string, path: string, inner: Inner): Schema {
  const kept = limits(given, type, path);
  if (type === 'object') return { type, ...kept, ...objectParts(given, path, inner) };
  if (type === 'array') return { type, ...kept, ...arrayParts(given, inner) };
  if (!SIMPLE.includes(type)) throw refusal(path, `has the unknown type \`${type}\``);
  if (type === 'string' && FORMATS.includes(String(given.format))) return { type, format: given.format };
  return { type, ...kept };
}

function objectParts(given: Schema, path: string, inner: Inner): Schema {
  const properties = given.properties ?? {};
  if (!isSchema(properties)) throw refusal(path, 'has properties that are no object');
  const names = Object.keys(properties);
  const required = Array.isArray(given.required) ? given.required : [];
  const unknown = required.find((name) => !names.includes(String(name)));
  if (unknown !== undefined) throw refusal(path, `requires \`${unknown}\`, which is not among its properties`);
  const parts = {
    properties: Object.fromEntries(names.map((name) => [name, inner(properties[name], `properties/${name}`)])),
  };
  const { additionalProperties: more } = given;
  if (isSchema(more)) return { ...parts, additionalProperties: inner(more, 'additionalProperties') };
  // Named properties are all that is asked for, whatever else the standard would let in.
  return { ...parts, additionalProperties: more === true || (more === undefined && names.length === 0) };
}

function arrayParts({ items, prefixItems }: Schema, inner: Inner): Schema {
  return {
    // A tuple that may have more items is answered by one that has none more.
    ...(items !== undefined && items !== false && { items: inner(items, 'items') }),
    ...(Array.isArray(prefixItems) && {
      prefixItems: prefixItems.map((item, index) => inner(item, `prefixItems/${index}`)),
    }),
  };
}

function limits(given: Schema, type: string, path: string): Schema {
  const [least, most] = LIMITS[type] ?? [];
  const kept: Record<string, number> = {};
  for (const word of [least, most]) {
    if (word === undefined || given[word] === undefined) continue;
    const value = given[word];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw refusal(path, `has a \`${word}\` that is no count`);
    }
    if (value > LIMIT_MAX) throw refusal(path, `has a \`${word}\` above ${LIMIT_MAX}, which cannot be enforced`);
    kept[word] = value;
  }
  if (least === undefined || most === undefined) return {};
  if ((kept[least] ?? 0) > (kept[most] ?? LIMIT_MAX)) throw refusal(path, `has a \`${least}\` above its \`${most}\``);
  return kept;
}

function reference(ref: unknown, path: string, defs: ReadonlySet<string>): string {
  const name = /^#\/(?:\$defs|definitions)\/([^/]+)$/.exec(String(ref))?.[1];
  if (name === undefined) throw refusal(path, `refers to \`${ref}\`; only #/$defs/<name> can be followed`);
  if (!defs.has(name)) throw refusal(path, `refers to \`${ref}\`, which is not defined`);
  return `#/$defs/${name}`;
}

function literal(value: unknown, path: string): unknown {
  if (value !== null && typeof value === 'object') throw refusal(path, 'has an object or array as a constant');
  return value;
}

function impliedType(given: Schema): string | undefined {
  if (given.properties !== undefined || given.additionalProperties !== undefined) return 'object';
  return given.items !== undefined || given.prefixItems !== undefined ? 'array' : undefined;
}

function record(value: unknown): Schema {
  return isSchema(value) ? value : {};
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refusal(path: string, why: string): Failure {
  return new Failure('INPUT_INVALID', `jsonSchema${path === '' ? '' : ` at ${path}`} ${why}`);
}
