// `studio-worker doctor` as a child process: real probes, a real server for the studio, real ports.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROSTER } from '../../../src/engines/roster.ts';
import type { DoctorReport } from '../../../src/supervisor/doctor/report.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import { type TempDir, tempDir } from '../temp-dir.ts';

const fixture = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../../fixtures/engines/${name}`, import.meta.url)));

/** The discard port, where nothing listens. */
const NOWHERE = 'http://127.0.0.1:9/';

const OWN_ENGINE = `
[[engines]]
id = "own"
module = ${fixture('test-engine.ts')}
kinds = ["llm"]
`;
/** Its probe wants a file in the models root. */
const LATE_ENGINE = `
[[engines]]
id = "late"
module = ${fixture('test-engine.ts')}
probe = ${fixture('test-probe.ts')}
kinds = ["image", "video"]
`;

type Asked = { top?: string; engines?: string; args?: string[]; env?: Record<string, string> };

/** Built-in engines load native libraries, which takes seconds; most tests are about something else. */
const STAND_INS = ROSTER.filter(({ id }) => id !== 'synthetic').map(({ id }) => OWN_ENGINE.replace('"own"', `"${id}"`));

async function writeConfig(dir: TempDir, asked: Asked): Promise<void> {
  const { top = `api_base_url = "${NOWHERE}"`, engines = OWN_ENGINE + STAND_INS.join('') } = asked;
  await writeFile(dir.file('config.toml'), `models_root = ${JSON.stringify(dir.file('models'))}\n${top}\n${engines}`);
}

async function doctor(dir: TempDir, asked: Asked = {}): Promise<CliResult> {
  await writeConfig(dir, asked);
  const { args = [], env = {} } = asked;
  return runCli(['doctor', ...args, '--config', dir.file('config.toml')], { env });
}

async function report(dir: TempDir, asked: Asked = {}): Promise<DoctorReport & { code: number | null }> {
  const { stdout, code } = await doctor(dir, { ...asked, args: ['--json'] });
  return { ...(JSON.parse(stdout) as DoctorReport), code };
}

async function serve(t: TestContext, answer: (path: string) => { status: number; date?: string }): Promise<string> {
  const server = createServer((request, response) => {
    const { status, date } = answer(request.url ?? '');
    if (date !== undefined) response.setHeader('date', date);
    response.writeHead(status).end('{}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('a machine with one engine can work, and what is missing for another is no failure', async () => {
  await using dir = await tempDir();
  const { code, stdout, stderr } = await doctor(dir, { engines: OWN_ENGINE + LATE_ENGINE + STAND_INS.join('') });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /✓ ready +own +llm/);
  assert.match(stdout, /✗ not ready +late +image, video: the file is missing\n +→ create the file\n/);
  assert.match(stdout, /\ncan work, with .*\bown\b/);
  assert.equal(stderr, '', 'no progress where there is no terminal');
  assert.deepEqual(await readdir(dir.path), ['config.toml'], 'it writes nothing');
});

test('as JSON it says the same, and how the machine is', async () => {
  await using dir = await tempDir();
  const found = await report(dir, { engines: OWN_ENGINE + LATE_ENGINE + STAND_INS.join('') });
  assert.deepEqual([found.code, found.canWork, found.problems], [0, true, []]);
  const late = found.engines.find(({ id }) => id === 'late');
  assert.deepEqual(late, {
    ...{ id: 'late', kinds: ['image', 'video'], ready: false },
    ...{ detail: 'the file is missing', remedy: 'create the file' },
  });
  assert.equal(found.node, process.version);
  assert.match(found.version, /^\d+\.\d+\.\d+/);
  assert.ok(found.memory.ramGb > 0 && found.memory.budgetGb > 0);
  assert.deepEqual(
    found.disks.map(({ what, exists, freeGb }) => [what, exists, (freeGb ?? 0) > 0]),
    [
      ['models_root', false, true],
      ['config folder', true, true],
    ],
  );
  assert.ok(found.service.manager);
});

test('every built-in engine is looked at, and says what it found or what to do', async () => {
  await using dir = await tempDir();
  const { engines } = await report(dir, { engines: '' });
  assert.deepEqual(
    engines.map(({ id }) => id),
    ROSTER.map(({ id }) => id),
  );
  for (const { id, ready, detail, remedy } of engines) {
    assert.ok(detail.length > 0, id);
    assert.ok(ready || remedy, `${id} says what to do about "${detail}"`);
  }
});

test('a studio that is away is said, and is no reason not to work', async () => {
  await using dir = await tempDir();
  const { code, stdout } = await doctor(dir);
  assert.equal(code, 0);
  assert.match(stdout, /✗ problem +studio http:\/\/127\.0\.0\.1:9\/ cannot be reached \(ECONNREFUSED: nothing listens/);
});

test('a studio that answers is reachable, and its clock is compared', async (t) => {
  await using dir = await tempDir();
  const asked: string[] = [];
  const url = await serve(t, (path) => {
    asked.push(path);
    return { status: 200, date: new Date(Date.now() - 600_000).toUTCString() };
  });
  const found = await report(dir, { top: `api_base_url = "${url}"` });
  assert.deepEqual(asked, ['/graphics/api/healthz']);
  assert.deepEqual([found.studio?.reachable, found.studio?.status], [true, 200]);
  assert.ok(Math.abs((found.studio?.clockSkewSecs ?? 0) - 600) <= 2, String(found.studio?.clockSkewSecs));
  const { stdout } = await doctor(dir, { top: `api_base_url = "${url}"` });
  assert.match(stdout, /the clock is \d+ s ahead of the studio's/);
});

test('a studio without a health page is asked for its front page; one in trouble is said to be', async (t) => {
  await using dir = await tempDir();
  const url = await serve(t, (path) => ({ status: path === '/' ? 503 : 404 }));
  const { studio } = await report(dir, { top: `api_base_url = "${url}"` });
  assert.deepEqual([studio?.reachable, studio?.status], [true, 503]);
  assert.match(studio?.problem ?? '', /of its own/);
});

test('without an engine of use the machine cannot work', async () => {
  await using dir = await tempDir();
  // An own engine takes the place of the built-in one of its name, so that none of them is ready here.
  const blocked = ROSTER.filter(({ id }) => id !== 'synthetic').map(({ id }) =>
    LATE_ENGINE.replace('"late"', `"${id}"`),
  );
  const found = await report(dir, { engines: blocked.join('') });
  assert.deepEqual([found.code, found.canWork], [1, false]);
  assert.deepEqual(found.problems, ['no engine is ready besides the synthetic one']);
});

test('a broken configuration is said without quoting it; everything else is still looked at', async () => {
  await using dir = await tempDir();
  const { code, stdout } = await doctor(dir, { top: 'auth_token = "a-secret-token\n' });
  assert.equal(code, 1);
  assert.match(stdout, /✗ problem +configuration: .*config\.toml:2:\d+: not valid TOML/);
  assert.match(stdout, /cannot work: +the configuration cannot be used/);
  assert.match(stdout, /RAM/);
  assert.doesNotMatch(stdout, /secret|studio http/);
});

test('a misspelt key is mentioned, and no secret is ever printed', async () => {
  await using dir = await tempDir();
  const top = `api_base_url = "${NOWHERE}"\nauth_token = "s3cret-one"\nlocal_api_token = "s3cret-two"\nvram_treshold_gb = 4`;
  for (const args of [[], ['--json']]) {
    const { code, stdout, stderr } = await doctor(dir, { top, args });
    assert.equal(code, 0);
    assert.match(stdout, /vram_treshold_gb/);
    assert.doesNotMatch(stdout + stderr, /s3cret/);
  }
});

test('a port that another program uses is a note', async (t) => {
  await using dir = await tempDir();
  const url = await serve(t, () => ({ status: 200 }));
  const port = new URL(url).port;
  const { code, stdout } = await doctor(dir, { top: `api_base_url = "${NOWHERE}"\nlocal_api_port = ${port}` });
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`! note +local_api_port ${port} is in use by another program`));
});

test('a folder that cannot be written is a reason not to work', { skip: process.getuid?.() === 0 }, async () => {
  await using dir = await tempDir();
  await mkdir(dir.file('models'));
  await chmod(dir.file('models'), 0o500);
  const found = await report(dir);
  assert.equal(found.code, 1);
  assert.match(found.problems[0] ?? '', /^models_root .*: cannot be written \(EACCES\)/);
});

test('models below a file are a reason not to work', async () => {
  await using dir = await tempDir();
  await writeFile(dir.file('models'), 'not a folder');
  const found = await report(dir);
  assert.equal(found.code, 1);
  assert.match(found.problems[0] ?? '', /^models_root /);
});
