import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baseUrlProblem, urlProblem } from '../../../src/supervisor/config/base-url.ts';

const FINE = [
  'https://studio.minis.gg/',
  'https://studio.example.com:8443/base',
  'http://localhost:4787',
  'http://studio.localhost/',
  'http://127.0.0.1:1',
  'http://127.1/',
  'http://[::1]:80/',
];

const WRONG: [given: string, problem: RegExp][] = [
  ['', /must be a URL/],
  ['studio.minis.gg', /must be a URL/],
  ['https://', /must be a URL/],
  ['ftp://studio.minis.gg/', /must start with https/],
  ['file:///etc/passwd', /must start with https/],
  ['wss://studio.minis.gg/', /must start with https/],
  ['http://studio.minis.gg/', /must use https/],
  ['http://10.0.0.7/', /must use https/],
  ['http://0.0.0.0/', /must use https/],
  ['http://localhost.example.com/', /must use https/],
  ['http://127.0.0.1.example.com/', /must use https/],
  ['https://user:pass@studio.minis.gg/', /user name or password/],
  ['http://user@localhost/', /user name or password/],
];

test('https anywhere and plain http on this machine are fine', () => {
  for (const url of FINE) assert.equal(baseUrlProblem(url), undefined, url);
});

test('everything else is named, and never quoted', () => {
  for (const [url, problem] of WRONG) {
    assert.match(urlProblem(url) ?? '', problem, url);
    assert.ok(!(urlProblem(url) ?? '').includes('pass@'), url);
  }
});

test('a base URL has no query and no fragment, since paths are appended to it', () => {
  assert.match(baseUrlProblem('https://studio.minis.gg/?a=1') ?? '', /query or a fragment/);
  assert.match(baseUrlProblem('https://studio.minis.gg/#x') ?? '', /query or a fragment/);
  assert.equal(urlProblem('https://feeds.example.com/?a=1'), undefined);
});
