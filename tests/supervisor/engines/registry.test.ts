// The registry with real probes in real children, real files and a real log: what it knows, when it looks again, and
// what it says of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { testEngine } from '../../../fixtures/engines/descriptor.ts';
import type { LogEntry } from '../../../src/protocol/index.ts';
import { openEngineRegistry, type RegistryOptions } from '../../../src/supervisor/engines/registry.ts';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import type { EngineDescriptor, EngineSettings } from '../../../src/workers/types.ts';
import { tempDir } from '../temp-dir.ts';

const PROBE = new URL('../../../fixtures/engines/test-probe.ts', import.meta.url).href;
const engineThat = (how: string): EngineDescriptor => testEngine({ id: how, probeUrl: `${PROBE}?${how}` });

async function openRig() {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const lines: LogEntry[] = [];
  logs.observe({ entry: (entry) => void lines.push(entry), flush: async () => {} });
  const settings: EngineSettings = {
    ...{ gpu: 'auto', cpuThreads: 1, modelsRoot: dir.path },
    network: { allowLoopback: false, allowedHosts: [] },
  };
  const configChanges = new EventTarget();
  return {
    dir,
    lines,
    configChanges,
    cacheFile: dir.file('engines.json'),
    /** Resolves with the next log line that begins so. */
    async said(start: RegExp): Promise<LogEntry> {
      for (;;) {
        const found = lines.find(({ message }) => start.test(message));
        if (found) return found;
        const { promise, resolve } = Promise.withResolvers<void>();
        using _ = logs.observe({ entry: () => resolve(), flush: async () => {} });
        await promise;
      }
    },
    open: (engines: readonly EngineDescriptor[], more: Partial<RegistryOptions> = {}) =>
      openEngineRegistry({
        ...{ engines, settings, version: '1.0.0', cacheFile: dir.file('engines.json'), logs, configChanges },
        times: { retryMs: 600_000, beginMsMax: 600_000 },
        ...more,
      }),
    async [Symbol.asyncDispose]() {
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('nothing is known before the first look; then each engine is said once, with what to do', async () => {
  await using rig = await openRig();
  await using registry = await rig.open([testEngine(), engineThat('ready'), engineThat('not-ready')]);
  assert.equal(registry.report('ready'), undefined);
  registry.begin();
  registry.begin();
  await once(registry.changes, 'change');
  await once(registry.changes, 'change');
  assert.equal(registry.report('ready')?.ready, true);
  assert.equal(registry.report('not-ready')?.ready, false);
  assert.equal(registry.report('test'), undefined, 'an engine without a probe is not asked');
  const said = rig.lines.map(({ message }) => message);
  assert.equal(said.filter((line) => line.startsWith('engine ready')).length, 1);
  const missing = said.filter((line) => line.startsWith('engine not available'));
  assert.equal(missing.length, 1);
  assert.match(missing[0] ?? '', /no test library here/);
  assert.match(missing[0] ?? '', /install test-library/);
});

test('a restart knows at once what the last run found', async () => {
  await using rig = await openRig();
  {
    await using first = await rig.open([engineThat('ready')]);
    first.begin();
    await once(first.changes, 'change');
  }
  await using again = await rig.open([engineThat('ready')]);
  assert.equal(again.report('ready')?.detail, 'test library 1.2.3');
});

for (const [what, more] of [
  ['another version of the program', { version: '1.0.1' }],
  ['another choice of the GPU', { gpu: 'cpu' }],
  ['another folder of models', { modelsRoot: '/elsewhere' }],
  ['another probe', { how: 'not-ready' }],
] as const) {
  test(`what the last run found does not count for ${what}`, async () => {
    await using rig = await openRig();
    {
      await using first = await rig.open([engineThat('ready')]);
      first.begin();
      await once(first.changes, 'change');
    }
    const { version = '1.0.0', how = 'ready', ...rest } = more as Record<string, string>;
    const settings = { gpu: 'auto', cpuThreads: 1, modelsRoot: rig.dir.path, ...rest } as unknown as EngineSettings;
    const engine = { ...engineThat(how), id: 'ready' };
    await using again = await rig.open([engine], { version, settings });
    assert.equal(again.report('ready'), undefined);
  });
}

test('a broken or foreign file is as good as none', async () => {
  await using rig = await openRig();
  for (const text of ['', '{', 'null', '[]', '{"key":1}', `{"engines":${'['.repeat(1000)}`, 'x'.repeat(300_000)]) {
    await writeFile(rig.cacheFile, text);
    await using registry = await rig.open([engineThat('ready')]);
    assert.equal(registry.report('ready'), undefined, text.slice(0, 20));
  }
});

test('an engine that is not ready is looked at again, and is ready once what it needs is there', async () => {
  await using rig = await openRig();
  await using registry = await rig.open([engineThat('installed')], { times: { retryMs: 50, beginMsMax: 1 } });
  await once(registry.changes, 'change');
  assert.equal(registry.report('installed')?.ready, false);
  await writeFile(rig.dir.file('installed'), '');
  await once(registry.changes, 'change');
  assert.equal(registry.report('installed')?.detail, 'it was installed');
  assert.equal(rig.lines.filter(({ message }) => message.startsWith('engine not available')).length, 1, 'said once');
});

test('a change of the configuration is a reason to look again, also in the middle of a look', async () => {
  await using rig = await openRig();
  await using registry = await rig.open([engineThat('installed')]);
  rig.configChanges.dispatchEvent(new Event('change'));
  assert.equal(registry.report('installed'), undefined, 'not before the first look');
  registry.begin();
  const looked = once(registry.changes, 'change');
  await writeFile(rig.dir.file('installed'), '');
  rig.configChanges.dispatchEvent(new Event('change'));
  await looked;
  if (!registry.report('installed')?.ready) await once(registry.changes, 'change');
  assert.equal(registry.report('installed')?.ready, true);
});

test('an engine that stops working is a warning', async () => {
  await using rig = await openRig();
  await writeFile(rig.dir.file('installed'), '');
  {
    await using first = await rig.open([engineThat('installed')]);
    first.begin();
    await once(first.changes, 'change');
  }
  await rm(rig.dir.file('installed'));
  await using again = await rig.open([engineThat('installed')]);
  assert.equal(again.report('installed')?.ready, true);
  again.begin();
  await once(again.changes, 'change');
  assert.equal(rig.lines.at(-1)?.level, 'warn');
});

test('what was found is noted when it differs, readable by this user alone', async () => {
  await using rig = await openRig();
  {
    await using registry = await rig.open([engineThat('ready')]);
    registry.begin();
    await once(registry.changes, 'change');
  }
  const kept = JSON.parse(await readFile(rig.cacheFile, 'utf8'));
  assert.match(kept.key, /^1\.0\.0 v\d+\..* gpu=auto /);
  assert.equal(kept.engines.ready.report.ready, true);
});

test('a file that cannot be written is said, and the worker goes on', async () => {
  await using rig = await openRig();
  await writeFile(rig.dir.file('blocked'), '');
  await using registry = await rig.open([engineThat('ready')], { cacheFile: rig.dir.file('blocked/engines.json') });
  registry.begin();
  await rig.said(/could not be looked at or noted/);
  assert.equal(registry.report('ready')?.ready, true);
});

test('closing in the middle of a look ends its child and says nothing', async () => {
  await using rig = await openRig();
  const registry = await rig.open([engineThat('loops')]);
  registry.begin();
  await registry[Symbol.asyncDispose]();
  assert.equal(registry.report('loops'), undefined);
  assert.deepEqual(rig.lines, []);
});
