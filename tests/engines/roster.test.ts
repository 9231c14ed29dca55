// The roster is the one list of engines, and data alone: every folder is in it, and nothing that the supervisor imports
// leads to an engine's code.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EngineDescriptor } from '../../src/engines/engine.ts';
import { ROSTER } from '../../src/engines/roster.ts';
import { EngineId, TASK_KINDS } from '../../src/protocol/index.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const ENGINES = join(SRC, 'engines');

/** Started as threads and children, so what they import is in the supervisor's process never. */
const ENTRIES = [
  ...['thread.ts', 'engine-process-main.ts', 'engine-process-watcher.ts', 'probe-main.ts'],
  ...['fetch-thread.ts', 'preview-main.ts'],
];

test('every folder with a descriptor is in the roster', async () => {
  const folders = readdirSync(ENGINES).filter((name) => existsSync(join(ENGINES, name, 'descriptor.ts')));
  for (const folder of folders) {
    const module = (await import(join(ENGINES, folder, 'descriptor.ts'))) as Record<string, unknown>;
    const descriptors = Object.values(module).filter(isDescriptor);
    assert.ok(descriptors.length > 0, `${folder}/descriptor.ts exports a descriptor`);
    for (const descriptor of descriptors) assert.ok(ROSTER.includes(descriptor), `${descriptor.id} is in the roster`);
  }
});

for (const engine of ROSTER) {
  test(`what the roster says of ${engine.id} holds together`, () => {
    assert.ok(EngineId.safeParse(engine.id).success);
    assert.ok(engine.kinds.length > 0 && engine.kinds.every((kind) => TASK_KINDS.includes(kind)));
    assert.deepEqual(Object.keys(engine.models).sort(), engine.kinds.toSorted(), 'models for just these kinds');
    for (const url of [engine.moduleUrl, engine.probeUrl, engine.processEnvUrl]) {
      if (url !== undefined) assert.ok(existsSync(fileURLToPath(url)), `${url} exists`);
    }
    if (engine.isolation === 'process') assert.ok(engine.probeUrl, 'native code can be missing, so it has a probe');
  });
}

test('ids are unique, and the synthetic engine is the last one asked', () => {
  const ids = ROSTER.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.at(-1), 'synthetic');
});

test('nothing that runs in the supervisor imports an engine', () => {
  const workers = readdirSync(join(SRC, 'workers')).filter((name) => name.endsWith('.ts') && !ENTRIES.includes(name));
  const supervisor = readdirSync(join(SRC, 'supervisor'), { recursive: true, encoding: 'utf8' });
  const starts = [
    ...workers.filter((name) => !importedByEntriesAlone(name)).map((name) => join(SRC, 'workers', name)),
    ...supervisor.filter((name) => name.endsWith('.ts')).map((name) => join(SRC, 'supervisor', name)),
    join(SRC, 'main.ts'),
  ];
  const reached = reachableFrom(starts);
  const forbidden = [...reached.keys()].filter((file) => !relative(ENGINES, file).startsWith('..') && !isData(file));
  assert.deepEqual(
    forbidden.map((file) => `${relative(SRC, file)}, imported by ${relative(SRC, reached.get(file) ?? '')}`),
    [],
  );
});

/** A descriptor and what it names: no code of an engine, no library, and nothing of Node that does anything. */
function isData(file: string): boolean {
  if (/[/\\](engine|probe|process-env)\.ts$/.test(relative(ENGINES, file))) return false;
  return importsOf(file).every((target) => target.startsWith('.') || target === 'node:path' || target === 'node:url');
}

function isDescriptor(value: unknown): value is EngineDescriptor {
  return typeof value === 'object' && value !== null && 'moduleUrl' in value && 'isolation' in value;
}

/** A module of a thread or child, such as the one that loads an engine, is not the supervisor's. */
function importedByEntriesAlone(name: string): boolean {
  const file = join(SRC, 'workers', name);
  const fromEntries = reachableFrom(ENTRIES.map((entry) => join(SRC, 'workers', entry)));
  const fromHost = reachableFrom([join(SRC, 'supervisor', 'run.ts'), join(SRC, 'workers', 'host.ts')]);
  return fromEntries.has(file) && !fromHost.has(file);
}

/** Every file that loading `starts` also loads, with the one that names it. */
function reachableFrom(starts: readonly string[]): Map<string, string> {
  const reached = new Map(starts.map((file) => [file, file]));
  for (const [file] of reached) {
    for (const target of importsOf(file)) {
      const imported = resolve(dirname(file), target);
      if (target.startsWith('.') && !reached.has(imported)) reached.set(imported, file);
    }
  }
  return reached;
}

/** What a file imports at run time, `import()` with a fixed name included. Types leave nothing behind. */
function importsOf(file: string): string[] {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const fixed = [...text.matchAll(/^\s*(?:import|export)\s+([^'";]*?\bfrom\s+)?'([^']+)'/gm)];
  const later = [...text.matchAll(/\bimport\('([^']+)'\)/g)];
  return [
    ...fixed.flatMap(([, clause = '', target = '']) => (/^type\b/.test(clause) ? [] : [target])),
    ...later.map(([, target = '']) => target),
  ];
}
