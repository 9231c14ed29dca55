// The workflows cannot run here. That they name scripts, tests and files that exist, and follow the rules for what
// strangers can reach, can be checked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { commitProblem } from '../../scripts/commit-message.ts';
import { ROOT } from '../supervisor/update/installation.ts';

const FOLDER = path.join(ROOT, '.github/workflows');
const workflows = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(path.join(FOLDER, name), 'utf8') }));
const packageJson = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  scripts: Record<string, string>;
  engines: { node: string };
};

/** Everything that a workflow runs, without the lines that are comments. */
const commandsOf = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n');

for (const { name, text } of workflows) {
  test(`${name} runs what is there`, () => {
    const commands = commandsOf(text);
    for (const [, script = ''] of commands.matchAll(/\bnode (\S+\.ts)\b/g))
      assert.ok(existsSync(path.join(ROOT, script)), script);
    for (const [, script = ''] of commands.matchAll(/\bnpm run (\S+)/g))
      assert.ok(script in packageJson.scripts, script);
    for (const [, file = ''] of commands.matchAll(/\bbash (\.\S+)/g))
      assert.ok(existsSync(path.join(ROOT, file)), file);
    for (const [, files = ''] of commands.matchAll(/\bcp (install\/\S+ install\/\S+)/g)) {
      for (const file of files.split(' ')) assert.ok(existsSync(path.join(ROOT, file)), file);
    }
    for (const [, pattern = ''] of commands.matchAll(/(?<=\s)(tests\/\S+)/g)) {
      // A shell's braces are not of the file system.
      const [, before = pattern, list, after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [];
      for (const each of list?.split(',') ?? ['']) {
        assert.ok(globSync(before + each + after, { cwd: ROOT }).length > 0, `${before}${each}${after}`);
      }
    }
  });

  test(`${name} takes actions by their major version, and gives no more rights than it has to`, () => {
    for (const [, action = ''] of text.matchAll(/uses: (\S+)/g)) {
      if (action.startsWith('./')) assert.ok(existsSync(path.join(ROOT, action)), action);
      else assert.match(action, /^[\w-]+\/[\w/-]+@v\d+$/);
    }
    assert.match(text, /^permissions:\n {2}contents: read$/m, 'what a job needs beyond reading is said at the job');
    // A title or a branch name in a command would be run.
    assert.doesNotMatch(text, /run:.*\$\{\{ *(github\.event|github\.head_ref|inputs)/);
  });
}

test('checks cover the systems and the Nodes that are promised', () => {
  const { text = '' } = workflows.find(({ name }) => name === 'checks.yml') ?? {};
  assert.match(text, /os: \[ubuntu-latest, macos-latest, windows-latest\]/);
  assert.match(text, /os: \[.*\]\n +node: \[22, 24, 26\]/);
  assert.match(packageJson.engines.node, /^>=22/);
});

test('a release has a bundle for each system, with provenance and a list of its parts, before anybody sees it', () => {
  const { text = '' } = workflows.find(({ name }) => name === 'release.yml') ?? {};
  const targets = [...text.matchAll(/target: (\S+), variant: (\S+) /g)].map(
    ([, target, variant]) => `${target} ${variant}`,
  );
  assert.deepEqual(targets.sort(), [
    ...['darwin-arm64 plain', 'darwin-x64 plain', 'linux-arm64 plain', 'linux-x64 cuda', 'linux-x64 plain'],
    ...['win32-x64 cuda', 'win32-x64 plain'],
  ]);
  const order = ['attest-build-provenance', 'attest-sbom', 'gh release upload', 'version.txt', '--draft=false'];
  const places = order.map((each) => text.indexOf(each));
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  assert.ok(!places.includes(-1));
});

test('release-please starts from the version that there is, with a draft whose tag exists', () => {
  const read = (name: string) => JSON.parse(readFileSync(path.join(ROOT, name), 'utf8')) as Record<string, unknown>;
  assert.deepEqual(read('.release-please-manifest.json'), { '.': packageJson.version });
  const config = read('release-please-config.json');
  assert.deepEqual([config.draft, config['force-tag-creation']], [true, true]);
});

const messages: readonly (readonly [subject: string, problem: RegExp | undefined])[] = [
  ['feat: a thing', undefined],
  ['fix(sd-cpp): a thing', undefined],
  ['feat(api)!: a thing', undefined],
  ['chore(main): release 1.2.3', undefined],
  ['Feat: a thing', /has the type "Feat"/],
  ['feature: a thing', /has the type "feature"/],
  ['feat:a thing', /is not of the form/],
  ['feat: ', /does not say what changes/],
  ['feat:  a thing', /more than one space/],
  ['a thing', /is not of the form/],
  ['', /is not of the form/],
  [`feat: ${'x'.repeat(200)}`, /longer than/],
];
for (const [subject, problem] of messages) {
  test(`the message ${JSON.stringify(subject.slice(0, 40))} is ${problem === undefined ? 'fine' : 'refused'}`, () => {
    if (problem === undefined) assert.equal(commitProblem(subject), undefined);
    else assert.match(commitProblem(subject) ?? '', problem);
  });
}

function has(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('shellcheck has nothing against the installer', { skip: !has('shellcheck') && 'needs shellcheck' }, () => {
  execFileSync('shellcheck', ['-s', 'sh', path.join(ROOT, 'install/install.sh')], { stdio: 'inherit' });
});

test('the installer is read by the smallest of shells', { skip: !has('sh') && !existsSync('/bin/sh') }, () => {
  execFileSync('sh', ['-n', path.join(ROOT, 'install/install.sh')]);
});
