// only_when_idle from end to end: a worker takes jobs only while its desktop says that nobody is there, and follows the
// configuration without a restart. The desktop's answer is a file; the tool that reads it stands in for busctl.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { openScene, testJob } from './scene.ts';
import { makeConfigDir, startWorker, WITH_TEST_ENGINE } from './worker-process.ts';

test('jobs wait until nobody uses the machine', {
  timeout: 400_000,
  skip: process.platform !== 'linux' && 'asks as Linux does',
}, async () => {
  await using scene = await openScene();
  const bin = await mkdtemp(join(tmpdir(), 'studio-worker-desktop-'));
  try {
    await writeFile(join(bin, 'busctl'), `#!/bin/sh\nexec /bin/cat "${join(bin, 'answer')}"\n`);
    await chmod(join(bin, 'busctl'), 0o755);
    const answer = async (text: string): Promise<void> => {
      await writeFile(join(bin, 'next'), text);
      await rename(join(bin, 'next'), join(bin, 'answer'));
    };
    await using worker = startWorker({
      dir: await makeConfigDir(scene.url, 'only_when_idle = true', WITH_TEST_ENGINE),
      env: { PATH: `${bin}${delimiter}${process.env.PATH}`, XDG_SESSION_TYPE: 'wayland' },
    });
    await scene.approveNext();
    await worker.until('whether somebody uses this machine cannot be told, so no jobs are taken (only_when_idle)');
    const { id } = await scene.operator.createJob(testJob('image', { ms: 1 }));

    await answer('t 3000');
    await worker.until('somebody uses this machine, no jobs are taken');
    assert.equal((await scene.operator.job(id)).status, 'queued');

    await answer('t 120000');
    await worker.until('nobody uses this machine, jobs are taken');
    assert.equal((await scene.ended(id)).status, 'done');

    await answer('t 5');
    const seen = worker.logs.all.length;
    await worker.logs.until(
      'the person is back',
      ({ msg }) => msg === 'somebody uses this machine, no jobs are taken',
      seen,
    );
    const held = await scene.operator.createJob(testJob('image', { ms: 1 }));
    const config = await readFile(worker.configPath, 'utf8');
    await writeFile(worker.configPath, config.replace('only_when_idle = true', 'only_when_idle = false'));
    assert.equal((await scene.ended(held.id)).status, 'done');
  } finally {
    await rm(bin, { recursive: true, force: true });
  }
});
