// The keys of the config file beside the names they have in code: `api_base_url` is `apiBaseUrl`. Also which of them are
// secret, and which are old keys that nobody needs to be told about.

export type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

export type Camelized<Shape> = { readonly [Key in keyof Shape as Camel<Key & string>]: Shape[Key] };

export function toSnake(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function camelize<Shape extends object>(shape: Shape): Camelized<Shape> {
  const entries = Object.entries(shape).map(([key, value]) => [toCamel(key), value]);
  return Object.fromEntries(entries) as Camelized<Shape>;
}

function toCamel(snake: string): string {
  return snake.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Keys whose values are never printed. Also catches those of other tools that ended up in this file, e.g. `hf_token`. */
export function isSecretKey(key: string): boolean {
  return /(token|secret|password|api_?key)$/i.test(key);
}

/** Keys of older versions. They stay in the file and are passed over in silence. */
export const LEGACY_KEYS: ReadonlySet<string> = new Set([
  'engine',
  'gradio_endpoint_url',
  'supported_models_override',
  'bootstrap_token',
]);
