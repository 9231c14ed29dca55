// The daemon's routes with a studio: readiness, pause as the studio sees it, and a registration that is asked for again.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ask } from '../supervisor/api/ask.ts';
import { openScene, type Scene } from './scene.ts';
import { makeConfigDir, startWorker, type WorkerProcess } from './worker-process.ts';

let scene: Scene;
before(async () => {
  scene = await openScene();
});
after(async () => scene?.[Symbol.asyncDispose]());

async function apiOf(worker: WorkerProcess) {
  await worker.until('the local API listens');
  const { url, token } = JSON.parse(await readFile(join(worker.dir, 'local-api.json'), 'utf8'));
  return async (path: string, method = 'GET') => {
    const { status, text } = await ask(url, path, { method, headers: { authorization: `Bearer ${token}` } });
    return { status, body: JSON.parse(text) };
  };
}

test('a worker is ready once the studio has acknowledged a heartbeat, and the studio hears of a pause', async () => {
  await using worker = await scene.approvedWorker();
  const api = await apiOf(worker);
  // Asked again as soon as it is answered; the runner's own limit ends what never comes.
  let readiness = await api('/readyz');
  while (readiness.status !== 200) {
    assert.equal(readiness.body.ready, false);
    readiness = await api('/readyz');
  }
  assert.deepEqual(readiness.body, { ready: true, registered: true, acknowledged: true, enginesProbed: true });
  const { body } = await api('/daemon/status');
  assert.deepEqual(
    [body.session, body.registration.state, body.registered],
    [{ state: 'connected' }, 'approved', true],
  );
  assert.equal(body.heartbeat.outcome, 'ok');

  const takesJobs = async (): Promise<boolean> => {
    const [view] = await scene.operator.workers();
    return view?.capabilities.autoEnabled ?? false;
  };
  assert.equal(await takesJobs(), true);
  await api('/daemon/pause', 'POST');
  while (await takesJobs());
  await api('/daemon/resume', 'POST');
  while (!(await takesJobs()));
});

test('a worker that was rejected asks again when its registration is reset', async () => {
  await using worker = startWorker({ dir: await makeConfigDir(scene.url) });
  const api = await apiOf(worker);
  // Of the requests so far, the one that nobody has answered.
  const isAnswered = (id: string) =>
    scene.events.all.some(
      ({ type, data }) => type === 'registration' && data.requestId === id && data.status !== 'pending',
    );
  const pending = await scene.events.until('a registration request', ({ type, data }) => {
    return type === 'registration' && data.status === 'pending' && !isAnswered(data.requestId);
  });
  assert.ok(pending.type === 'registration');
  const { requestId } = pending.data;
  await scene.operator.reject(requestId, 'not one of ours');
  let { body } = await api('/daemon/status');
  while (body.registration.state !== 'rejected') ({ body } = await api('/daemon/status'));
  assert.match(body.registration.reason, /not one of ours/);
  assert.equal((await api('/readyz')).status, 503);
  assert.deepEqual(await api('/daemon/registration/reset', 'POST'), { status: 202, body: { ok: true } });
  await scene.events.until('another request', (event) => {
    return event.type === 'registration' && event.data.status === 'pending' && !isAnswered(event.data.requestId);
  });
  while ((await api('/daemon/status')).body.registration.state !== 'pending');
});
