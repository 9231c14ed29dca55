import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { machineName, packageVersion, username } from '../../src/supervisor/machine.ts';

test('a worker can always say what it is', async () => {
  assert.notEqual(machineName(), '');
  assert.notEqual(username(), '');
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.equal(packageVersion(), version);
});
