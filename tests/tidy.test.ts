// House rules that a machine can check, so that the map stays true: every file says what it is, none grows into two,
// links in the docs lead somewhere, and no commit carries a path of somebody's machine.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Past this many lines a file most likely has a second job. */
const LINES_MAX = 300;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((name) => name !== '' && existsSync(join(ROOT, name)));
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const sources = files.filter((name) => name.startsWith('src/') && name.endsWith('.ts') && !name.endsWith('.d.ts'));

test('every source file begins by saying what it is', () => {
  const silent = sources.filter((name) => !/^(#!.*\n)?\/\/ \S/.test(read(name)));
  assert.deepEqual(silent, []);
});

test('no source file is longer than it should be', () => {
  const long = sources.filter((name) => read(name).split('\n').length > LINES_MAX);
  assert.deepEqual(long, []);
});

test('no source file holds an unfinished thought', () => {
  const unfinished = sources.filter((name) => /\b(TODO|FIXME|XXX)\b|@ts-ignore|\bas any\b(?! other)/.test(read(name)));
  assert.deepEqual(unfinished, []);
});

test('links in the docs lead to files and headings that exist', () => {
  const broken: string[] = [];
  for (const name of files.filter((each) => each.endsWith('.md'))) {
    for (const [, target = ''] of read(name).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', heading] = target.split('#');
      const file = path === '' ? name : join(dirname(name), path);
      if (!existsSync(join(ROOT, file))) broken.push(`${name}: ${target}`);
      else if (heading !== undefined && !headingsOf(file).includes(heading)) broken.push(`${name}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

function headingsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('files that the docs name in their tables exist', () => {
  const missing: string[] = [];
  for (const name of files.filter((each) => each.endsWith('.md'))) {
    for (const [, path = ''] of read(name).matchAll(/`((?:src|tests|fixtures|scripts|bench|docs)\/[\w./-]+)`/g)) {
      if (!files.some((each) => each === path || each.startsWith(path))) missing.push(`${name}: ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});

test('the versions of the program and of its lock file agree', () => {
  const lock = JSON.parse(read('package-lock.json')) as { version: string };
  assert.equal(lock.version, (JSON.parse(read('package.json')) as { version: string }).version);
});
