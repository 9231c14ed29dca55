// How the local API opens and closes: its port, its token, and the file by which programs find both.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openApiRig } from './api-rig.ts';
import { ask } from './ask.ts';

const discoveryOf = async (dir: string) => JSON.parse(await readFile(join(dir, 'local-api.json'), 'utf8'));

test('local-api.json says where it listens and with which token, to its user alone, as long as it runs', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-api-'));
  let token: string;
  {
    await using rig = await openApiRig({ dir });
    token = rig.api.token;
    assert.match(token, /^[0-9a-f]{64}$/);
    const path = join(dir, 'local-api.json');
    assert.deepEqual(await discoveryOf(dir), { url: rig.api.url, token });
    assert.equal(await readFile(path, 'utf8'), `${JSON.stringify({ url: rig.api.url, token }, null, 2)}\n`);
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal(rig.config.current.localApiToken, token);
    assert.deepEqual(
      rig.logged().filter((line) => line.includes(token)),
      [],
    );
  }
  assert.equal(existsSync(join(dir, 'local-api.json')), false);
  {
    await using again = await openApiRig({ dir });
    assert.equal(again.api.token, token, 'the token is kept');
  }
  await rm(dir, { recursive: true });
});

test('a second worker on the machine listens on another port and says so', async () => {
  await using first = await openApiRig();
  const port = new URL(first.api.url).port;
  await using second = await openApiRig({ config: `local_api_port = ${port}\n` });
  assert.notEqual(second.api.url, first.api.url);
  assert.ok(
    second.logged().some((line) => line.includes('listening on another')),
    second.logged().join('\n'),
  );
  for (const { url } of [first.api, second.api]) assert.equal((await ask(url, '/healthz')).status, 200);
});

test("an operator's own token is taken, also while the worker runs; a short one is replaced", async () => {
  await using rig = await openApiRig({ config: `local_api_token = "${'s'.repeat(40)}"\n` });
  assert.equal(rig.api.token, 's'.repeat(40));
  await rig.config.patch({ localApiToken: 't'.repeat(40) });
  rig.configChanges.dispatchEvent(new Event('change'));
  assert.equal(rig.api.token, 't'.repeat(40));
  const headers = { authorization: `Bearer ${'s'.repeat(40)}` };
  assert.equal((await ask(rig.api.url, '/x', { headers })).status, 401);

  await using short = await openApiRig({ config: 'local_api_token = "secret"\n' });
  assert.match(short.api.token, /^[0-9a-f]{64}$/);
});

test('a discovery file that cannot be written leaves an API that works', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-api-'));
  await mkdir(join(dir, 'local-api.json', 'in-the-way'), { recursive: true });
  {
    await using rig = await openApiRig({ dir });
    assert.equal((await ask(rig.api.url, '/healthz')).status, 200);
    assert.ok(rig.logged().some((line) => line.includes('local-api.json could not be written')));
  }
  await rm(dir, { recursive: true });
});
