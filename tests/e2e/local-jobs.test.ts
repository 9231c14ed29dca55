// The jobs of a worker as a program on its machine sees them: those of the studio with their thumbnails, its own beside
// them, the numbers of both, and what becomes of its own when the worker stops.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { ask } from '../supervisor/api/ask.ts';
import { CLI_DEFAULTS, openScene, SYNTHETIC_JOBS } from './scene.ts';
import { makeConfigDir, startWorker, WITH_TEST_ENGINE, type WorkerProcess } from './worker-process.ts';

const NO_STUDIO = 'http://127.0.0.1:9';

async function apiOf(worker: WorkerProcess) {
  await worker.until('the local API listens');
  const { url, token } = JSON.parse(await readFile(join(worker.dir, 'local-api.json'), 'utf8'));
  const headers = { authorization: `Bearer ${token}` };
  return {
    get: (path: string) => fetch(`${url}${path}`, { headers }),
    json: async (path: string) => JSON.parse((await ask(url, path, { headers })).text),
    post: (path: string, body: unknown) => ask(url, path, { method: 'POST', headers, body: JSON.stringify(body) }),
  };
}

async function lonelyWorker(): Promise<WorkerProcess> {
  const dir = await makeConfigDir(NO_STUDIO, '', WITH_TEST_ENGINE);
  const source = { engine: 'test', files: [], cliDefaults: CLI_DEFAULTS };
  const model = { id: 'test-a', displayName: 'test', kind: 'image', vramGbEstimate: 0.1, source };
  await writeFile(join(dir, 'models.json'), JSON.stringify({ models: [model] }));
  return startWorker({ dir, env: { STUDIO_WORKER_LOCAL_API_PORT: '0' } });
}

const image = (behaviour: object) => ({ model: 'test-a', prompt: JSON.stringify(behaviour) });

test('jobs of the studio show in the local API, with a thumbnail, in the numbers and in the events', async () => {
  await using scene = await openScene();
  await using worker = await scene.approvedWorker();
  const api = await apiOf(worker);
  const [picture] = SYNTHETIC_JOBS;
  assert.ok(picture !== undefined);
  const { id: jobId } = await scene.operator.createJob(picture);
  assert.equal((await scene.ended(jobId)).status, 'done');

  const events = await api.get('/daemon/events?after=0');
  const seen = await readUntil(events, (text) => text.includes('"hasThumbnail":true'));
  assert.match(seen, /event: session\n[\s\S]*"state":"connected"/);
  const status = await api.json('/daemon/status');
  assert.partialDeepStrictEqual(status.recentJobs, [
    { jobId, kind: 'image', source: 'studio', status: 'completed', prompt: 'a red fox', hasThumbnail: true },
  ]);
  const thumbnail = await api.get(`/jobs/${jobId}/thumbnail`);
  assert.equal(thumbnail.headers.get('content-type'), 'image/png');
  const { width, height } = await sharp(await thumbnail.arrayBuffer()).metadata();
  assert.deepEqual([width, height], [320, 200]);
  const { lines } = await api.json(`/jobs/${jobId}/log`);
  assert.match(lines.at(-1).message, /^completed after/);

  const metrics = await (await api.get('/metrics')).text();
  assert.match(metrics, /^studio_worker_jobs_total\{kind="image",source="studio",outcome="completed",code=""\} 1$/m);
  assert.match(metrics, /^studio_worker_session_up 1$/m);
});

test('a local job that runs when the worker is asked to stop is finished first', async () => {
  await using worker = await lonelyWorker();
  const api = await apiOf(worker);
  const answer = api.post('/image', image({ ms: 400, bytes: 1_000 }));
  await worker.until('started');
  worker.kill('SIGTERM');
  await worker.until('waiting for running jobs to end');
  const late = await api.post('/image', image({}));
  assert.deepEqual([(await answer).status, late.status], [200, 503]);
  assert.equal((await worker.exited).code, 0);
});

test('the second request to stop ends a local job, and its caller is told', async () => {
  await using worker = await lonelyWorker();
  const api = await apiOf(worker);
  const answer = api.post('/image', image({ ms: 60_000 }));
  await worker.until('started');
  worker.kill('SIGTERM');
  await worker.until('waiting for running jobs to end');
  worker.kill('SIGTERM');
  const { status, text } = await answer;
  assert.equal(status, 503);
  assert.match(text, /the worker is stopping/);
  assert.equal((await worker.exited).code, 0);
});

/** What a stream has said by the time that `holds` does. */
async function readUntil(answer: Response, holds: (text: string) => boolean): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  assert.ok(answer.body !== null);
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true });
    if (holds(text)) return text;
  }
  return assert.fail(`the stream ended early:\n${text.slice(-2_000)}`);
}
