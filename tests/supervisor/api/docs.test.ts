// Runs docs/local-api.md: its commands as one shell script, its programs with Node, against a worker whose models are tiny
// or synthetic.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type TempDir, tempDir } from '../temp-dir.ts';
import { SYNTHETIC, startApiWorker, tinyModels } from './worker-rig.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGE = `${ROOT}/docs/local-api.md`;

const blocksOf = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block);

async function run(command: string, args: readonly string[], home: TempDir): Promise<string> {
  const child = spawn(command, args, {
    cwd: home.path,
    env: {
      ...process.env,
      ...{ HOME: home.path, USERPROFILE: home.path },
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const [output, problems, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  assert.equal(code, 0, `${args.join(' ').slice(0, 2000)}\n${output}\n${problems}`);
  return output;
}

test('the commands and programs of docs/local-api.md do what they say', {
  skip: process.platform === 'win32',
}, async () => {
  const page = await readFile(PAGE, 'utf8');
  // The first of a kind is what a request without a model gets.
  await using api = await startApiWorker([
    ...[tinyModels.scripted(), tinyModels.voice(), tinyModels.whisper()],
    ...SYNTHETIC,
  ]);
  await using home = await tempDir();
  await mkdir(home.file('.config/minis-studio-worker'), { recursive: true });
  await copyFile(`${api.worker.dir}/local-api.json`, home.file('.config/minis-studio-worker/local-api.json'));
  // Where the page says `npm install openai`.
  await symlink(`${ROOT}/node_modules`, home.file('node_modules'));

  await writeFile(home.file('page.sh'), blocksOf(page, 'bash').join('\n'));
  const output = await run('bash', ['-euo', 'pipefail', 'page.sh'], home);
  assert.match(output, /"content":"Hello world\."/);
  assert.match(output, /data: \[DONE\]/);
  assert.match(output, /^00:00:00,000 --> /m, 'a transcript with times');
  assert.match(output, /"state":"(loading|loaded)","resident":true/);
  const picture = JSON.parse(await readFile(home.file('picture.json'), 'utf8'));
  assert.ok(picture.data[0].b64_json.length > 100);
  assert.equal((await readFile(home.file('fox.png'))).toString('latin1', 1, 4), 'PNG');
  for (const name of ['speech.wav', 'morning.wav']) {
    assert.equal((await readFile(home.file(name))).toString('latin1', 0, 4), 'RIFF');
  }

  for (const [index, program] of blocksOf(page, 'js').entries()) {
    await writeFile(home.file(`program-${index}.mjs`), program);
    assert.equal(await run(process.execPath, [`program-${index}.mjs`], home), 'Hello world.\nvectors: 2\n');
  }
});
