// The addresses that come from one configured base URL.
import assert from 'node:assert/strict';
import test from 'node:test';
import { apiUrl, connectUrl } from '../../src/supervisor/studio-url.ts';

const http: [string, string][] = [
  ['https://studio.minis.gg/', 'https://studio.minis.gg/graphics/api/x'],
  ['https://studio.minis.gg', 'https://studio.minis.gg/graphics/api/x'],
  ['https://h///', 'https://h/graphics/api/x'],
  ['https://h/graphics/api', 'https://h/graphics/api/x'],
  ['https://h/graphics/api/', 'https://h/graphics/api/x'],
  ['https://h/custom', 'https://h/custom/graphics/api/x'],
  ['https://h/custom/', 'https://h/custom/graphics/api/x'],
  ['https://h/custom/graphics/api//', 'https://h/custom/graphics/api/x'],
  ['https://h/mygraphics/api', 'https://h/mygraphics/api/graphics/api/x'],
  ['https://h/?a=1#b', 'https://h/graphics/api/x'],
  ['http://localhost:8787', 'http://localhost:8787/graphics/api/x'],
  ['http://[::1]:8787/', 'http://[::1]:8787/graphics/api/x'],
  ['ws://h/', 'http://h/graphics/api/x'],
  ['wss://h/custom', 'https://h/custom/graphics/api/x'],
];
for (const [base, expected] of http) {
  test(`calls to ${base} go to ${expected}`, () => assert.equal(apiUrl(base, '/x').href, expected));
}

const sockets: [string, string][] = [
  ['https://studio.minis.gg/', 'wss://studio.minis.gg/graphics/api/workers/w-1/connect'],
  ['http://localhost:8787', 'ws://localhost:8787/graphics/api/workers/w-1/connect'],
  ['ws://h', 'ws://h/graphics/api/workers/w-1/connect'],
  ['wss://h', 'wss://h/graphics/api/workers/w-1/connect'],
  ['HTTPS://H/custom/', 'wss://h/custom/graphics/api/workers/w-1/connect'],
  ['https://h/graphics/api', 'wss://h/graphics/api/workers/w-1/connect'],
  ['https://h/?route=a', 'wss://h/graphics/api/workers/w-1/connect?route=a'],
  ['https://h/#top', 'wss://h/graphics/api/workers/w-1/connect'],
];
for (const [base, expected] of sockets) {
  test(`the session of ${base} is at ${expected}`, () => assert.equal(connectUrl(base, 'w-1').href, expected));
}

for (const base of ['ftp://h/', 'file:///x', 'javascript:alert(1)']) {
  test(`${base} is no studio`, () => {
    assert.throws(() => apiUrl(base, '/x'), /expected http or https/);
    assert.throws(() => connectUrl(base, 'w'), /expected http or https/);
  });
}

for (const base of ['', 'studio.minis.gg', '//h']) {
  test(`${JSON.stringify(base)} is no address`, () => {
    assert.throws(() => apiUrl(base, '/x'), { code: 'ERR_INVALID_URL' });
    assert.throws(() => connectUrl(base, 'w'), { code: 'ERR_INVALID_URL' });
  });
}

test('a worker id cannot add a query or leave the host', () => {
  const url = connectUrl('https://h/', 'a?b#c');
  assert.equal(url.host, 'h');
  assert.equal(url.search + url.hash, '');
});
