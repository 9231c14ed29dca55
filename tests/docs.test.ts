// Runs the commands that the documentation tells people to type, in a sandbox of their own, so that the docs stay true.
// A `sh` block is executed line by line; a line that would install, test or measure everything is left to CI itself.
// What needs a release, a service manager or another system stands in a `bash` or `powershell` block; installing and
// updating are tested with releases of their own (tests/install/, tests/e2e/update.test.ts).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'bin', 'studio-worker.js');

/** Blocks of `sh` with a word behind it: who runs them, or why nobody here does. */
const MARKED: Readonly<Record<string, string>> = {
  systemd: 'tests/docs-systemd.test.ts, under a real systemd',
  pm2: 'tests/e2e/pm2.test.ts, under the real pm2',
  macos: 'needs macOS',
};

/** Commands of the whole repository: CI runs the first two, `tests/e2e/demo.test.ts` the demo; the others take minutes. */
const RUN_ELSEWHERE = /^(npm (ci|test|run (check|format|bench|demo)|install)|git |node --test|npx wrangler)/;

/** Commands that go on until they are stopped, and the line by which they are known to be up. */
const LASTING: readonly { command: RegExp; up: RegExp }[] = [
  { command: /^run$/, up: /studio-worker starts/ },
  { command: /^studio\b/, up: /listening|listens|http:\/\/127\.0\.0\.1/ },
];

/** The discard port, where nothing listens. */
const NOWHERE = 'http://127.0.0.1:9/';

const pages = [
  'README.md',
  'AGENTS.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test('every block of commands is run by somebody, or says why not', () => {
  for (const page of pages) {
    for (const [, mark = ''] of readFileSync(join(ROOT, page), 'utf8').matchAll(/^```sh (.+)$/gm)) {
      assert.ok(mark in MARKED, `${page}: nobody runs "${mark}"`);
    }
  }
});

for (const page of pages) {
  const lines = commandsOf(readFileSync(join(ROOT, page), 'utf8'));
  if (lines.length === 0) continue;
  test(`the commands of ${page} do what they say`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'studio-worker-docs-'));
    try {
      for (const line of lines) await execute(line, home);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
}

function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```/gms)]
    .flatMap(([, block = '']) => block.split('\n'))
    .flatMap((line) => line.replace(/\s+#.*$/, '').split(' && '))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !RUN_ELSEWHERE.test(line));
}

async function execute(line: string, home: string): Promise<void> {
  const command = /^(?:npx )?studio-worker (.*)$/.exec(line)?.[1];
  assert.ok(command !== undefined, `a command that this test does not know how to run: ${line}`);
  const lasting = LASTING.find((each) => each.command.test(command));
  // Nothing outside this machine is asked: a registration from a test would end up before a real operator.
  const args = command.replace('https://studio.minis.gg/', NOWHERE).split(/\s+/);
  const child = spawn(process.execPath, [BIN, ...args], {
    // A home of its own: the docs speak of the default config file.
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, '.config'), XDG_DATA_HOME: join(home, '.data') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let stopped = false;
  const hear = (data: Buffer): void => {
    output += data.toString();
    if (!stopped && lasting?.up.test(output)) {
      stopped = true;
      child.kill('SIGTERM');
    }
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const code = await new Promise((ended) => child.on('close', ended));
  assert.equal(code, 0, `${line}\n${output}`);
  if (lasting !== undefined) assert.ok(stopped, `${line} ended by itself\n${output}`);
}
