import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { test } from 'node:test';
import { type Logs, openLogs } from '../../src/supervisor/logs/logs.ts';
import { openTelemetry } from '../../src/supervisor/telemetry.ts';
import { openSentryEndpoint } from './sentry-endpoint.ts';
import { type TempDir, tempDir } from './temp-dir.ts';

const quietLogs = (dir: TempDir): Promise<Logs> =>
  openLogs({ dir: dir.path, level: 'error', maxSize: '1m', keep: 1, stderr: 'json', secrets: ['named-secret'] });

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
  await using sentry = await openSentryEndpoint();
  await using logs = await quietLogs(dir);
  const env = { SENTRY_DSN: ` ${sentry.dsn} `, SENTRY_ENVIRONMENT: 'staging' };
  await using telemetry = await openTelemetry({ logs, version: '1.2.3', env });
  assert.ok(telemetry !== undefined);
  logs.info('ws', 'not sent');
  logs.warn('ws', 'lost the session', { token: 'field-secret' });
  const err = new Error('upload of named-secret', { cause: new Error('Bearer shape-secret') });
  logs.error('job', 'failed', { jobId: 'j-1', err });
  logs.error('ws', 'ws fatal: named-secret', { attempt: 3 });
  await logs.flush();

  const [first, second, ...more] = sentry.events.all;
  assert.deepEqual(more, []);
  assert.equal(first?.environment, 'staging');
  assert.equal(first?.release, 'studio-worker@1.2.3');
  assert.equal(first?.server_name, os.hostname());
  assert.deepEqual(first?.tags, { category: 'job', jobId: 'j-1' });
  assert.deepEqual(
    first?.exception?.values.map((each) => each.value),
    ['Bearer [redacted]', 'upload of [redacted]'],
  );
  assert.equal(first?.breadcrumbs?.length, 1);
  assert.equal(first?.breadcrumbs?.[0]?.message, 'lost the session token=[redacted]');
  assert.equal(second?.message, 'ws fatal: [redacted]');
  assert.equal(second?.extra?.log, 'ws fatal: [redacted] attempt=3');
  assert.deepEqual(second?.fingerprint, ['ws', 'ws fatal: [redacted]', '{{ default }}']);
  assert.ok(!sentry.envelopes.join().includes('-secret'));
});

test('the default environment is production, and closing sends what is left', async () => {
  await using dir = await tempDir();
  await using sentry = await openSentryEndpoint();
  await using logs = await quietLogs(dir);
  const telemetry = await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN: sentry.dsn } });
  logs.error('ws', 'the last words');
  await telemetry?.[Symbol.asyncDispose]();
  assert.equal(sentry.events.all[0]?.environment, 'production');
  logs.error('ws', 'nobody listens any more');
  assert.equal(sentry.envelopes.length, 1);
});

test('a Sentry that does not answer delays the end by two seconds at most', async () => {
  await using dir = await tempDir();
  await using sentry = await openSentryEndpoint({ answers: false });
  await using logs = await quietLogs(dir);
  const telemetry = await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN: sentry.dsn } });
  logs.error('ws', 'said to a wall');
  const start = performance.now();
  await telemetry?.[Symbol.asyncDispose]();
  assert.ok(performance.now() - start < 20_000);
});

test('what nobody caught is an event before the process ends', async () => {
  await using dir = await tempDir();
  await using sentry = await openSentryEndpoint();
  for (const how of [
    `setImmediate(() => { throw new Error('thrown named-secret'); })`,
    `Promise.reject(new Error('rejected'))`,
  ]) {
    const script = `
      const { openLogs } = await import(${JSON.stringify(import.meta.resolve('../../src/supervisor/logs/logs.ts'))});
      const { openTelemetry } = await import(${JSON.stringify(import.meta.resolve('../../src/supervisor/telemetry.ts'))});
      const { dieLoudly } = await import(${JSON.stringify(import.meta.resolve('../../src/supervisor/crash.ts'))});
      const logs = await openLogs({ dir: ${JSON.stringify(dir.path)}, level: 'error', maxSize: '1m', keep: 1, stderr: 'json', secrets: ['named-secret'] });
      await openTelemetry({ logs, version: '1.2.3', env: { SENTRY_DSN: ${JSON.stringify(sentry.dsn)} } });
      dieLoudly(logs);
      setInterval(() => {}, 1000);
      ${how};
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const [code] = await once(child, 'close');
    assert.equal(code, 1);
  }
  const values = sentry.events.all.map(({ exception }) => exception?.values[0]?.value);
  assert.deepEqual(values, ['thrown [redacted]', 'rejected']);
});
