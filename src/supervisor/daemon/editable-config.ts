// The part of the configuration that a dashboard may show and change. Secrets are not among it, and nothing else can be
// set through it. Pure.

import { toSnake } from '../config/names.ts';
import { type Config, ConfigFile } from '../config/schema.ts';
import type { ConfigChanges } from '../config/store.ts';

const KEYS = [
  'apiBaseUrl',
  'vramThresholdGb',
  'autoStart',
  'startMinimised',
  'onlyWhenIdle',
  'autoUpdateEnabled',
  'autoUpdateIntervalSecs',
  'autoUpdateFeed',
  'autoUpdatePrerelease',
  'modelsRoot',
] as const satisfies readonly (keyof Config)[];

export type EditableConfig = Pick<Config, (typeof KEYS)[number]>;

export type ConfigEdit =
  | { readonly kind: 'changes'; readonly changes: ConfigChanges }
  /** `problem` reads `<field>: <what is wrong with it>`. */
  | { readonly kind: 'invalid'; readonly field: string; readonly problem: string };

export function editableConfig(config: Config): EditableConfig {
  return Object.fromEntries(KEYS.map((key) => [key, config[key]])) as EditableConfig;
}

/** Fields that are not there stay as they are, and so do those that say what already holds: the file keeps its own words. */
export function editOf(wanted: Readonly<Record<string, unknown>>, current: Config): ConfigEdit {
  const changes: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(wanted)) {
    const key = KEYS.find((known) => known === field);
    if (key === undefined) return invalid(field.slice(0, 100), `cannot be set here; there are: ${KEYS.join(', ')}`);
    const problem = problemOf(key, value);
    if (problem !== undefined) return invalid(key, problem);
    if (value !== current[key]) changes[key] = value;
  }
  return { kind: 'changes', changes };
}

/** By the rules of the file itself. */
function problemOf(key: (typeof KEYS)[number], value: unknown): string | undefined {
  if (value === null || value === undefined) return 'must have a value';
  if (key === 'modelsRoot' && typeof value === 'string' && value.trim() === '') return 'must not be empty';
  const rule = ConfigFile.shape[toSnake(key) as keyof typeof ConfigFile.shape];
  const result = rule.safeParse(value);
  return result.success ? undefined : (result.error.issues[0]?.message ?? 'is not valid');
}

function invalid(field: string, problem: string): ConfigEdit {
  return { kind: 'invalid', field, problem: `${field}: ${problem}` };
}
