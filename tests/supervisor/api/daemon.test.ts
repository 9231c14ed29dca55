// The daemon's routes over a real worker: how it is, its log and settings, and what happens as it happens.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type ApiWorker, SYNTHETIC, startApiWorker } from './worker-rig.ts';

let api: ApiWorker;
before(async () => {
  api = await startApiWorker(
    SYNTHETIC,
    '# how much one job may take\nvram_threshold_gb = 3.5 # GiB\nonly_engines = ["synthetic"]\n',
  );
});
after(async () => api?.[Symbol.asyncDispose]());

const jsonOf = async (path: string) => JSON.parse((await api.ask(path)).text);
const post = async (path: string) => {
  const { status, text } = await api.ask(path, { method: 'POST' });
  return { status, body: JSON.parse(text) };
};

const EDITABLE = [
  ...['apiBaseUrl', 'vramThresholdGb', 'autoStart', 'startMinimised', 'onlyWhenIdle', 'autoUpdateEnabled'],
  ...['autoUpdateIntervalSecs', 'autoUpdateFeed', 'autoUpdatePrerelease', 'modelsRoot'],
];

test('the status tells all that a dashboard shows, and no secret', async () => {
  const done = await api.post('/image', { prompt: 'a red fox', width: 64, height: 64 });
  const { text } = await api.ask('/daemon/status');
  const status = JSON.parse(text);
  assert.partialDeepStrictEqual(status, {
    pid: api.worker.pid,
    configPath: api.worker.configPath,
    ...{ paused: false, busy: false, registered: false, workerId: null, heartbeat: null, currentJobId: null },
    registration: { state: 'pristine' },
    localApiUrl: api.url,
    ...{ activeJobs: [], recentJobs: [] },
    localJobs: [{ jobId: done.headers['x-job-id'], kind: 'image', prompt: 'a red fox', status: 'completed' }],
  });
  assert.match(status.version, /^\d+\.\d+\.\d+/);
  assert.ok(['waiting_for_approval', 'connecting'].includes(status.session.state), status.session.state);
  assert.ok(status.logsSeq > 0 && status.vramTotalGb >= 0);
  assert.deepEqual(Object.keys(status.config), EDITABLE);
  assert.ok(!text.includes(api.token));
});

test('the log is told from any entry on, and all of it to whoever saw another process', async () => {
  const { entries, seq } = await jsonOf('/daemon/logs');
  assert.equal(entries.at(-1).seq, seq);
  assert.ok(entries.some(({ message }: { message: string }) => message.startsWith('studio-worker starts')));
  const half = entries[Math.floor(entries.length / 2)].seq;
  const later = await jsonOf(`/daemon/logs?after=${half}`);
  assert.equal(later.entries[0].seq, half + 1);
  assert.equal((await jsonOf('/daemon/logs?after=999999')).entries[0].seq, entries[0].seq);
  for (const after of ['-1', 'x', '1.5', '9'.repeat(20)]) {
    const { status, text } = await api.ask(`/daemon/logs?after=${after}`);
    assert.deepEqual([status, JSON.parse(text).error], [400, 'bad_request'], after);
  }
});

test('pause and resume say what holds now, also when it held before', async () => {
  for (const [path, paused] of [
    ['/daemon/pause', true],
    ['/daemon/pause', true],
    ['/daemon/resume', false],
    ['/daemon/resume', false],
  ] as const) {
    assert.deepEqual(await post(path), { status: 200, body: { paused } });
    assert.equal((await jsonOf('/daemon/status')).paused, paused);
  }
  assert.doesNotMatch(await readFile(api.worker.configPath, 'utf8'), /paused/);
});

test('a registration that was not rejected is not reset', async () => {
  const { status, body } = await post('/daemon/registration/reset');
  assert.deepEqual([status, body.error], [409, 'not_rejected']);
});

describe('settings', () => {
  const put = async (body: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await api.ask('/daemon/config', { method: 'PUT', body: text });
    return { status: answer.status, body: JSON.parse(answer.text) };
  };

  test('are read and saved, and the file keeps its comments and everything else', async () => {
    const before = await jsonOf('/daemon/config');
    assert.deepEqual(Object.keys(before), EDITABLE);
    assert.equal(before.vramThresholdGb, 3.5);
    const wanted = { ...before, vramThresholdGb: 5, autoUpdateIntervalSecs: 60, onlyWhenIdle: false };
    assert.deepEqual(await put(wanted), { status: 200, body: wanted });
    const text = await readFile(api.worker.configPath, 'utf8');
    assert.match(text, /# how much one job may take\nvram_threshold_gb = 5(\.0)? # GiB\n/);
    assert.match(text, /^auto_update_interval_secs = 60$/m);
    // What was not changed is not written: defaults stay defaults.
    assert.doesNotMatch(text, /auto_update_feed|start_minimised/);
    assert.deepEqual(await put({ vramThresholdGb: 6 }), { status: 200, body: { ...wanted, vramThresholdGb: 6 } });
    await api.worker.until('configuration changed', ({ vramThresholdGb }) => vramThresholdGb === 6);
  });

  test('that are wrong change nothing, and say what is wrong', async () => {
    const text = await readFile(api.worker.configPath, 'utf8');
    for (const [body, error, message] of [
      ['{', 'bad_request', /^bad json: /],
      ['[1]', 'bad_request', /expected an object/],
      ['null', 'bad_request', /expected an object/],
      [{ apiBaseUrl: 'ftp://x' }, 'invalid_config', /^apiBaseUrl: must start with https:/],
      [{ apiBaseUrl: 'not a url' }, 'invalid_config', /^apiBaseUrl: must be a URL/],
      [{ autoUpdateFeed: 'http://example.com/' }, 'invalid_config', /^autoUpdateFeed: must use https/],
      [{ vramThresholdGb: -1 }, 'invalid_config', /^vramThresholdGb: must be 0 or more/],
      [{ vramThresholdGb: '5' }, 'invalid_config', /^vramThresholdGb: must be a finite number/],
      ['{"vramThresholdGb":1e999}', 'invalid_config', /^vramThresholdGb: must be a finite number/],
      [{ vramThresholdGb: null }, 'invalid_config', /^vramThresholdGb: must have a value/],
      [{ autoUpdateIntervalSecs: 59 }, 'invalid_config', /^autoUpdateIntervalSecs: must be a whole number, 60 or more/],
      [{ modelsRoot: '  ' }, 'invalid_config', /^modelsRoot: must not be empty/],
      [{ startMinimised: 'yes' }, 'invalid_config', /^startMinimised: must be true or false/],
      [{ authToken: 'x' }, 'invalid_config', /^authToken: cannot be set here/],
      ['{"__proto__":{"a":1}}', 'invalid_config', /cannot be set here/],
      // The good one beside it is not saved either.
      [{ vramThresholdGb: 1, apiBaseUrl: '' }, 'invalid_config', /^apiBaseUrl: /],
    ] as const) {
      const answer = await put(body);
      assert.deepEqual([answer.status, answer.body.error], [400, error], JSON.stringify(body));
      assert.match(answer.body.message, message);
    }
    assert.equal(await readFile(api.worker.configPath, 'utf8'), text);
  });

  test('that cannot be saved say so, and the file stays as somebody left it', async () => {
    const text = await readFile(api.worker.configPath, 'utf8');
    const broken = `${text}\nthis is no TOML`;
    await writeFile(api.worker.configPath, broken);
    const { status, body } = await put({ vramThresholdGb: 7 });
    assert.deepEqual([status, body.error], [500, 'config_not_saved']);
    assert.equal(await readFile(api.worker.configPath, 'utf8'), broken);
    await writeFile(api.worker.configPath, text);
  });
});

type Frame = { id?: number; event?: string; data?: Record<string, unknown> };

/** Opens the stream and hands out its frames; comments and `retry` are frames without an event. */
async function follow(headers: Record<string, string> = {}, path = '/daemon/events') {
  const asking = get(new URL(path, api.url), {
    agent: false,
    headers: { authorization: `Bearer ${api.token}`, ...headers },
  });
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const lines = createInterface({ input: answer })[Symbol.asyncIterator]();
  const next = async (): Promise<Frame | undefined> => {
    const frame: Frame = {};
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      if (line.value === '') return frame;
      const [, field, value = ''] = /^(\w*): ?(.*)$/.exec(line.value) ?? [];
      if (field === 'id') frame.id = Number(value);
      if (field === 'event') frame.event = value;
      if (field === 'data') frame.data = JSON.parse(value);
    }
    return undefined;
  };
  return {
    answer,
    next,
    async until(matches: (frame: Frame) => boolean): Promise<Frame> {
      for (let frame = await next(); frame; frame = await next()) if (matches(frame)) return frame;
      throw new Error('the stream has ended');
    },
    [Symbol.dispose]: () => void asking.destroy(),
  };
}

describe('events', () => {
  test('tell a job from its start to its end, with ids that only grow', async () => {
    using stream = await follow();
    assert.equal(stream.answer.headers['content-type'], 'text/event-stream');
    const made = api.post('/image', { prompt: 'an event', width: 64, height: 64 });
    const ofJob = ({ event, data }: Frame) => event === 'job' && data?.prompt === 'an event';
    const started = await stream.until(ofJob);
    const ended = await stream.until((frame) => ofJob(frame) && frame.data?.status === 'completed');
    assert.equal(started.data?.status, 'running');
    assert.equal(started.data?.jobId, (await made).headers['x-job-id']);
    assert.ok(Number(ended.id) > Number(started.id));
    assert.match(String(ended.data?.at), /^\d{4}-.*Z$/);
  });

  test('that a client has missed are told when it comes back, and once', async () => {
    using first = await follow();
    await post('/daemon/pause');
    const seen = await first.until(({ event, data }) => event === 'log' && /paused/.test(String(data?.message)));
    await post('/daemon/resume');
    using second = await follow({ 'last-event-id': String(seen.id) });
    const told = await second.until(({ event }) => event !== undefined);
    assert.equal(told.id, Number(seen.id) + 1);
    using third = await follow({}, `/daemon/events?after=${seen.id}`);
    assert.equal((await third.until(({ event }) => event !== undefined)).id, told.id);
  });

  test('from before this process are said to be missed, and all that is kept is told', async () => {
    using stream = await follow({ 'last-event-id': '1' });
    await stream.until(({ event }) => event === 'missed');
    await stream.until(({ event, data }) => event === 'log' && /^paused: /.test(String(data?.message)));
  });

  test('after what is no id are refused', async () => {
    using stream = await follow({ 'last-event-id': 'x' });
    assert.equal(stream.answer.statusCode, 400);
  });
});

test('shutdown is answered, open streams end, and the worker leaves as after a SIGTERM', async () => {
  using stream = await follow();
  await stream.next();
  assert.deepEqual(await post('/daemon/shutdown'), { status: 202, body: { ok: true } });
  while (await stream.next());
  assert.deepEqual(await api.worker.exited, { code: 0, signal: null });
  assert.equal(existsSync(join(api.worker.dir, 'local-api.json')), false);
});
