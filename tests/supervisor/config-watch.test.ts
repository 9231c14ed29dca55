// A changed configuration file is noticed within a second or so, and a broken one is said and passed over.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { openConfigStore } from '../../src/supervisor/config/store.ts';
import { watchConfig } from '../../src/supervisor/config-watch.ts';
import { openLogs } from '../../src/supervisor/logs/logs.ts';
import { tempDir } from './temp-dir.ts';

test('a change is dispatched once, with the new value in place; a broken file is logged and the last good one stays', async () => {
  await using dir = await tempDir();
  await using logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const file = dir.file('config.toml');
  await writeFile(file, 'vram_threshold_gb = 8\n');
  const config = await openConfigStore(file);
  using changes = watchConfig(config, logs);
  const seen: number[] = [];
  changes.addEventListener('change', () => seen.push(config.current.vramThresholdGb));

  await writeFile(file, 'vram_threshold_gb = 16\n');
  await once(changes, 'change');
  assert.deepEqual(seen, [16]);

  const said = new Promise<void>((resolve) => {
    logs.observe({ entry: (entry) => entry.level === 'error' && resolve(), flush: async () => {} });
  });
  await writeFile(file, 'vram_threshold_gb = \n');
  await said;
  assert.deepEqual([seen, config.current.vramThresholdGb], [[16], 16]);

  await writeFile(file, 'vram_threshold_gb = 24\n');
  await once(changes, 'change');
  assert.deepEqual(seen, [16, 24]);
});
