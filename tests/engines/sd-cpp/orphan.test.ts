// Neither binary outlives the worker that started it, however that one ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../../workers/rig.ts';
import { loneCli, openScene, useStandIn } from './scene.ts';

useStandIn('server');

test('sd-server and sd-cli end when the worker is killed', async () => {
  await using scene = await openScene();
  const program = fileURLToPath(new URL('../../../fixtures/sd-cpp/hang-run.ts', import.meta.url));
  const worker = spawn(process.execPath, [program, scene.root, loneCli()], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(createInterface({ input: worker.stdout }), 'line');
  const starts = await scene.starts();
  assert.deepEqual(
    starts.map(({ name }) => name),
    ['sd-server', 'sd-cli'],
  );
  const pids = starts.map(({ pid }) => pid);
  assert.deepEqual(pids.map(isAlive), [true, true]);
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  // Their end can only be seen by looking: they are no children of ours.
  const killedAt = performance.now();
  while (pids.some(isAlive)) {
    assert.ok(performance.now() - killedAt < 60_000, 'a binary outlived its worker');
    await sleep(10);
  }
});
