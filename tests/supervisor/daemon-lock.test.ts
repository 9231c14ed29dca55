import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readRunningPid, takeDaemonLock } from '../../src/supervisor/daemon-lock.ts';
import { tempDir } from './temp-dir.ts';

test('the lock is held until it is disposed, and says who holds it', async () => {
  await using dir = await tempDir();
  assert.equal(await readRunningPid(dir.path), undefined);
  assert.deepEqual(await readdir(dir.path), [], 'looking creates nothing');
  {
    await using lock = await takeDaemonLock(dir.file('new'));
    assert.ok(lock !== undefined);
    assert.equal(await readFile(dir.file('new/daemon.pid'), 'utf8'), `${process.pid}\n`);
    assert.equal(await readRunningPid(dir.file('new')), process.pid);
    assert.equal(await readRunningPid(dir.file('new')), process.pid, 'looking does not disturb the holder');
  }
  assert.equal(await readRunningPid(dir.file('new')), undefined);
  await access(dir.file('new/daemon.lock'));
});

test('a second worker is turned away, and takes over as soon as the first is gone', async () => {
  await using dir = await tempDir();
  const first = await takeDaemonLock(dir.path);
  assert.ok(first !== undefined);
  assert.equal(await takeDaemonLock(dir.path), undefined);
  const waiting = takeDaemonLock(dir.path);
  await first[Symbol.asyncDispose]();
  await using second = await waiting;
  assert.ok(second !== undefined);
});

test('a killed worker leaves no lock behind', async () => {
  await using dir = await tempDir();
  const module = import.meta.resolve('../../src/supervisor/daemon-lock.ts');
  const script = `
    const { takeDaemonLock } = await import(${JSON.stringify(module)});
    globalThis.lock = await takeDaemonLock(${JSON.stringify(dir.path)});
    console.log('locked');
    setInterval(() => {}, 60_000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.equal(await readRunningPid(dir.path), child.pid);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.equal(await readRunningPid(dir.path), undefined);
  await using lock = await takeDaemonLock(dir.path);
  assert.ok(lock !== undefined);
});

test('a held lock without a readable pid is no pid', async () => {
  await using dir = await tempDir();
  await using lock = await takeDaemonLock(dir.path);
  assert.ok(lock !== undefined);
  await writeFile(dir.file('daemon.pid'), 'soon');
  assert.equal(await readRunningPid(dir.path), undefined);
});

test('a folder that cannot be made is an error, not a second worker', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('file'), '');
  await assert.rejects(takeDaemonLock(dir.file('file')), {
    message: /^cannot write in the folder .*file \(EEXIST\)\. A part of that path is a file/,
  });
});
