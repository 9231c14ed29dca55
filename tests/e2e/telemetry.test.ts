// Error reports of a whole worker: what goes wrong in engine processes, in worker threads and in the session reaches a
// Sentry endpoint with the job's id and without a secret, the last of it while the worker ends.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openSentryEndpoint } from '../supervisor/sentry-endpoint.ts';
import { CLI_DEFAULTS, openScene, testJob } from './scene.ts';
import { makeConfigDir, startWorker, WITH_TEST_ENGINE } from './worker-process.ts';

/** The same engine again, without a process of its own below the thread. */
const IN_THREAD = WITH_TEST_ENGINE.replace('id = "test"', 'id = "late"\nisolation = "thread"');

test('errors of engines, threads and session are reported, secrets are not', { timeout: 400_000 }, async () => {
  await using scene = await openScene();
  await using sentry = await openSentryEndpoint();
  await using worker = startWorker({
    dir: await makeConfigDir(scene.url, '', WITH_TEST_ENGINE + IN_THREAD),
    env: { SENTRY_DSN: sentry.dsn, SENTRY_ENVIRONMENT: 'rigs' },
  });
  const { workerId } = await scene.approveNext();
  await worker.until('welcomed by the studio');
  const token = /^auth_token = "(.+)"$/m.exec(await readFile(worker.configPath, 'utf8'))?.[1] ?? '';
  assert.ok(token.length > 10);

  const thrown = await scene.operator.createJob(
    testJob('llm', { throw: `cannot use ${token}`, code: 'INPUT_INVALID' }),
  );
  await sentry.events.until(
    'the failure of an engine',
    ({ tags }) => tags?.jobId === thrown.id && tags.code === 'INPUT_INVALID',
  );

  const aborted = await scene.operator.createJob(testJob('image', { abort: true }));
  await sentry.events.until('the death of an engine process', ({ message }) => message === 'an engine has died');
  await sentry.events.until(
    'the job of it',
    ({ tags }) => tags?.jobId === aborted.id && tags.code === 'ENGINE_CRASHED',
  );

  const inThread = testJob('video', { uncaught: 'in the thread' });
  await scene.operator.createJob({
    ...inThread,
    modelSource: { ...inThread.modelSource, engine: 'late', files: [], cliDefaults: CLI_DEFAULTS },
  });
  const death = await sentry.events.until(
    'the death of a thread',
    ({ message }) => message === 'a pool thread has died',
  );
  assert.match(death.extra?.log ?? '', /in the thread/);

  await scene.operator.deleteWorker(workerId);
  const { code } = await worker.exited;
  assert.notEqual(code, 0);
  await sentry.events.until('the last words', ({ message }) => /^ws (fatal|auth failed)/.test(message ?? ''));

  const all = sentry.envelopes.join('\n');
  assert.ok(!all.includes(token));
  for (const event of sentry.events.all) assert.equal(event.environment, 'rigs');
});
