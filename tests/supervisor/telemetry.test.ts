import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { test } from 'node:test';
import { type Logs, openLogs } from '../../src/supervisor/logs/logs.ts';
import { openTelemetry } from '../../src/supervisor/telemetry.ts';
import { type TempDir, tempDir } from './temp-dir.ts';

const quietLogs = (dir: TempDir): Promise<Logs> =>
  openLogs({ dir: dir.path, level: 'error', maxSize: '1m', keep: 1, stderr: 'json', secrets: ['named-secret'] });

/** Takes what a Sentry client sends. With `answers: false` it never says anything, like a firewall. */
async function fakeSentry({ answers = true } = {}) {
  const envelopes: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      envelopes.push(body);
      if (answers) response.end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    dsn: `http://publickey@127.0.0.1:${port}/42`,
    envelopes,
    /** The events themselves; an envelope is a header line, an item's header line, and the item. */
    events: () => envelopes.map((envelope) => JSON.parse(envelope.split('\n')[2] ?? '')),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('without a DSN there is no telemetry, and a bad one is said once without quoting it', async () => {
  await using dir = await tempDir();
  await using logs = await quietLogs(dir);
  for (const SENTRY_DSN of [undefined, '', '  ']) {
    assert.equal(await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN } }), undefined);
  }
  assert.equal(logs.ring.size, 0);
  const bad = [
    'nonsense',
    'https://sentry.example.com/42',
    'https://key@sentry.example.com/',
    'ftp://key@example.com/1',
    'https://a-key@example.com/1',
  ];
  for (const SENTRY_DSN of bad) {
    assert.equal(await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN } }), undefined);
  }
  assert.deepEqual(
    logs.ring.after(0).map((entry) => entry.message),
    bad.map(() => 'SENTRY_DSN is not a valid DSN, error reports are off'),
  );
});

test('errors become events, warnings their breadcrumbs, and no secret is sent', async () => {
  await using dir = await tempDir();
  await using sentry = await fakeSentry();
  await using logs = await quietLogs(dir);
  const env = { SENTRY_DSN: ` ${sentry.dsn} `, SENTRY_ENVIRONMENT: 'staging' };
  await using telemetry = await openTelemetry({ logs, version: '1.2.3', env });
  assert.ok(telemetry !== undefined);
  logs.info('ws', 'not sent');
  logs.warn('ws', 'lost the session', { token: 'field-secret' });
  const err = new Error('upload of named-secret', { cause: new Error('Bearer shape-secret') });
  logs.error('job', 'failed', { jobId: 'j-1', err });
  logs.error('ws', 'ws fatal: named-secret');
  await logs.flush();

  const [first, second, ...more] = sentry.events();
  assert.deepEqual(more, []);
  assert.equal(first.environment, 'staging');
  assert.equal(first.release, 'studio-worker@1.2.3');
  assert.equal(first.server_name, os.hostname());
  assert.deepEqual(first.tags, { category: 'job', jobId: 'j-1' });
  assert.deepEqual(
    first.exception.values.map((each: { value: string }) => each.value),
    ['Bearer [redacted]', 'upload of [redacted]'],
  );
  assert.equal(first.breadcrumbs.length, 1);
  assert.equal(first.breadcrumbs[0].message, 'lost the session token=[redacted]');
  assert.equal(second.message, 'ws fatal: [redacted]');
  assert.ok(!sentry.envelopes.join().includes('-secret'));
});

test('the default environment is production, and closing sends what is left', async () => {
  await using dir = await tempDir();
  await using sentry = await fakeSentry();
  await using logs = await quietLogs(dir);
  const telemetry = await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN: sentry.dsn } });
  logs.error('ws', 'the last words');
  await telemetry?.[Symbol.asyncDispose]();
  assert.equal(sentry.events()[0].environment, 'production');
  logs.error('ws', 'nobody listens any more');
  assert.equal(sentry.envelopes.length, 1);
});

test('a Sentry that does not answer delays the end by two seconds at most', async () => {
  await using dir = await tempDir();
  await using sentry = await fakeSentry({ answers: false });
  await using logs = await quietLogs(dir);
  const telemetry = await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN: sentry.dsn } });
  logs.error('ws', 'said to a wall');
  const start = performance.now();
  await telemetry?.[Symbol.asyncDispose]();
  assert.ok(performance.now() - start < 20_000);
});
