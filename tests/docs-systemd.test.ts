// Runs the commands that the documentation gives for a Linux with systemd (blocks of `sh systemd`), in their order, under a
// systemd of their own. What they print is asserted in tests/supervisor/service/.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { noUserManager, openUserManager } from './supervisor/service/user-manager.ts';

const OPERATIONS = fileURLToPath(new URL('../docs/operations/', import.meta.url));

test('the commands for systemd do what they say', { skip: noUserManager, timeout: 900_000 }, async () => {
  await using manager = await openUserManager();
  const dir = join(manager.home, '.config/minis-studio-worker');
  await mkdir(dir, { recursive: true });
  // The discard port, where no studio listens.
  await writeFile(join(dir, 'config.toml'), 'api_base_url = "http://127.0.0.1:9/"\nonly_engines = ["synthetic"]\n');
  // Recovery speaks of a service that is there, so it comes before the page that removes it.
  const pages = (await readdir(OPERATIONS)).filter((name) => name.endsWith('.md')).sort();
  await manager.cli('install-service');
  let count = 0;
  for (const page of pages) {
    const text = await readFile(join(OPERATIONS, page), 'utf8');
    for (const [, block = ''] of text.matchAll(/^```sh systemd\n(.*?)^```/gms)) {
      for (const line of block.split('\n').map((each) => each.replace(/\s+#.*$/, '').trim())) {
        if (line === '') continue;
        const [program = '', ...args] = line.split(/\s+/);
        const { code, stdout, stderr } = await (program === 'studio-worker'
          ? manager.cli(...args)
          : manager.run(program, args));
        assert.equal(code, 0, `${page}: ${line}\n${stdout}${stderr}`);
        count += 1;
      }
    }
  }
  assert.ok(count > 5);
  assert.equal(await manager.property('ActiveState'), 'inactive');
});
