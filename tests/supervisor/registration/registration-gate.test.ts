// The registration gate against a real HTTP server and a real config file: what it asks, what it saves, how it waits.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { type ConfigChanges, type ConfigStore, openConfigStore } from '../../../src/supervisor/config/store.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import { type Credentials, passRegistration } from '../../../src/supervisor/registration/registration-gate.ts';
import { capabilities } from '../../protocol/samples.ts';
import { type Answer, type ScriptedHttp, scriptedHttp } from '../scripted-http.ts';
import { tempDir } from '../temp-dir.ts';

type Scene = AsyncDisposable & {
  readonly studio: ScriptedHttp;
  readonly config: ConfigStore;
  readonly logs: Logs;
  readonly stop: AbortController;
  /** The length of each pause, in ms, and how many calls had been made before it. */
  readonly pauses: { ms: number; calls: number }[];
  /** Called in each pause; returns whether a change of the configuration ended it. */
  onPause: (count: number) => boolean | Promise<boolean>;
  pass(): Promise<Credentials>;
};

async function openScene(toml: string, ...answers: Answer[]): Promise<Scene> {
  const dir = await tempDir();
  const studio = await scriptedHttp(...answers);
  await writeFile(dir.file('config.toml'), `# mine\napi_base_url = "${studio.base}"\n${toml}`);
  const config = await openConfigStore(dir.file('config.toml'));
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const stop = new AbortController();
  const scene: Scene = {
    studio,
    config,
    logs,
    stop,
    pauses: [],
    onPause: () => false,
    pass: () =>
      passRegistration({
        config,
        logs,
        userAgent: 'studio-worker/0.5.0',
        capabilities: () => capabilities,
        async pause(ms) {
          scene.pauses.push({ ms, calls: studio.asked.length });
          const changed = await scene.onPause(scene.pauses.length);
          stop.signal.throwIfAborted();
          return changed;
        },
        signal: stop.signal,
      }),
    async [Symbol.asyncDispose]() {
      await studio[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return scene;
}

const created: Answer = [201, { requestId: 'rr-1', status: 'pending' }];
const pending: Answer = [200, { status: 'pending' }];
const approved: Answer = [200, { status: 'approved', workerId: 'w-1', authToken: 'the-token' }];
const rejected: Answer = [200, { status: 'rejected', reason: 'not today' }];

const calls = ({ studio }: Scene): string[] =>
  studio.asked.map(({ method, url }) => `${method} ${url.replace('/graphics/api/workers/', '')}`);
const bodyOf = ({ studio }: Scene, index: number) => JSON.parse(String(studio.asked[index]?.body));
const messages = ({ logs }: Scene): string[] => logs.ring.after(0).map((entry) => entry.message);

test('a new worker asks once, polls until it is approved, and keeps what it was given', async () => {
  await using scene = await openScene('label = "rig"\n', created, pending, approved);
  assert.deepEqual(await scene.pass(), {
    apiBaseUrl: scene.config.current.apiBaseUrl,
    workerId: 'w-1',
    authToken: 'the-token',
  });
  const poll = 'GET register-requests/rr-1';
  assert.deepEqual(calls(scene), ['POST register-request', poll, poll]);
  const request = bodyOf(scene, 0);
  assert.deepEqual(
    { ...request, registrationSecretHash: '' },
    {
      installId: scene.config.current.installId,
      registrationSecretHash: '',
      capabilities,
      userAgent: 'studio-worker/0.5.0',
      label: 'rig',
    },
  );
  const bearer = scene.studio.asked[1]?.headers.authorization ?? '';
  const secret = bearer.replace(/^Bearer /, '');
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.equal(request.registrationSecretHash, createHash('sha256').update(secret, 'utf8').digest('hex'));
  assert.equal(scene.studio.asked[0]?.headers.authorization, undefined);

  const saved = await readFile(scene.config.path, 'utf8');
  assert.match(saved, /^# mine\n/);
  assert.match(saved, /worker_id = "w-1"/);
  assert.match(saved, /auth_token = "the-token"/);
  assert.match(saved, /install_id = /);
  assert.doesNotMatch(saved, /registration_(secret|request_id)/);
});

test('there is at most one call a tick, and the ticks are as long as configured', async () => {
  await using scene = await openScene('registration_poll_secs = 7\n', created, pending, pending, approved);
  await scene.pass();
  assert.deepEqual(scene.pauses, [
    { ms: 7000, calls: 1 },
    { ms: 7000, calls: 2 },
    { ms: 7000, calls: 3 },
  ]);
});

test('without a setting a tick is thirty seconds', async () => {
  await using scene = await openScene('', created, approved);
  await scene.pass();
  assert.deepEqual(
    scene.pauses.map(({ ms }) => ms),
    [30_000],
  );
});

test('what the gate itself saved does not end its tick early', async () => {
  await using scene = await openScene('', created, approved);
  // The watcher reports the change that the gate made; nobody else changed anything.
  scene.onPause = async (count) => count === 1 && (await scene.config.refresh()) === 'changed';
  await scene.pass();
  assert.deepEqual(
    scene.pauses.map(({ calls }) => calls),
    [1, 1],
  );
});

test('a change that somebody else made ends the tick early', async () => {
  await using scene = await openScene('', created, approved);
  scene.onPause = async () => {
    const other = await openConfigStore(scene.config.path);
    await other.patch({ workerId: 'w-9', authToken: 'by-hand' });
    return (await scene.config.refresh()) === 'changed';
  };
  const { workerId } = await scene.pass();
  assert.equal(workerId, 'w-9');
  assert.equal(scene.pauses.length, 1);
  assert.deepEqual(calls(scene), ['POST register-request']);
});

test('secret and install id are on disk before the studio hears of them', async () => {
  let before = '';
  const look: Answer = async (response) => {
    before = await readFile(scene.config.path, 'utf8');
    response.writeHead(500).end();
  };
  await using scene = await openScene('', look, created, approved);
  await scene.pass();
  const secret = /registration_secret = "([0-9a-f]{64})"/.exec(before)?.[1] ?? '';
  const hash = createHash('sha256').update(secret).digest('hex');
  assert.deepEqual([bodyOf(scene, 0).registrationSecretHash, bodyOf(scene, 1).registrationSecretHash], [hash, hash]);
  assert.equal(bodyOf(scene, 0).installId, /install_id = "([^"]+)"/.exec(before)?.[1]);
  assert.equal(bodyOf(scene, 1).installId, bodyOf(scene, 0).installId);
});

test('with credentials nothing is asked', async () => {
  await using scene = await openScene('worker_id = "w-5"\nauth_token = "tok"\n');
  assert.deepEqual(await scene.pass(), { apiBaseUrl: scene.studio.base, workerId: 'w-5', authToken: 'tok' });
  assert.deepEqual([calls(scene), scene.pauses], [[], []]);
});

test('a saved request is polled at once, with its own secret', async () => {
  await using scene = await openScene('registration_request_id = "rr-8"\nregistration_secret = "s3cr3t"\n', approved);
  await scene.pass();
  assert.deepEqual(calls(scene), ['GET register-requests/rr-8']);
  assert.equal(scene.studio.asked[0]?.headers.authorization, 'Bearer s3cr3t');
});

test('a request that the studio no longer knows is made anew, with a new secret and the same install id', async () => {
  const again: Answer = [201, { requestId: 'rr-2', status: 'pending' }];
  await using scene = await openScene('', created, [404, {}], again, approved);
  await scene.pass();
  assert.deepEqual(calls(scene), [
    'POST register-request',
    'GET register-requests/rr-1',
    'POST register-request',
    'GET register-requests/rr-2',
  ]);
  assert.notEqual(bodyOf(scene, 0).registrationSecretHash, bodyOf(scene, 2).registrationSecretHash);
  assert.equal(bodyOf(scene, 0).installId, bodyOf(scene, 2).installId);
});

const troubles: [string, Answer][] = [
  ['429', [429, { error: 'slow down' }]],
  ['500', [500, 'oops']],
  ['a page of HTML', [200, '<html>']],
  ['nothing', [204]],
  ['another answer', [200, { status: 'lost' }]],
  ['a token that fits no header', [200, { status: 'approved', workerId: 'w-1', authToken: 'a\r\nb' }]],
  ['a hang-up', (response) => void response.destroy()],
];
for (const [what, trouble] of troubles) {
  test(`${what} to the request or the poll is tried again at the next tick`, async () => {
    await using scene = await openScene('', trouble, created, trouble, approved);
    assert.equal((await scene.pass()).workerId, 'w-1');
    const poll = 'GET register-requests/rr-1';
    assert.deepEqual(calls(scene), ['POST register-request', 'POST register-request', poll, poll]);
    assert.equal(scene.pauses.length, 3);
  });
}

test('a 401 to the poll is waited out', async () => {
  await using scene = await openScene('', created, [401, {}], approved);
  assert.equal((await scene.pass()).workerId, 'w-1');
  assert.deepEqual(calls(scene).slice(1), ['GET register-requests/rr-1', 'GET register-requests/rr-1']);
});

test('the warning says what the studio answered', async () => {
  await using scene = await openScene('', [429, 'slow down'], created, approved);
  await scene.pass();
  assert.ok(messages(scene).some((message) => message.includes('register-request failed: 429 — slow down')));
});

test('the warning says in one line that an answer is not that of a studio', async () => {
  await using scene = await openScene(
    '',
    [200, '<html>log in</html>'],
    [201, { requestId: '../x' }],
    created,
    approved,
  );
  await scene.pass();
  const said = messages(scene).join('\n');
  assert.match(said, /the answer is not JSON: is api_base_url the address of a studio\?/);
  assert.match(said, /the answer is not that of a studio: requestId: expected 1 to 128 characters/);
});

test('a rejected worker waits, without a call, until its registration is reset, and then asks as somebody new', async () => {
  const again: Answer = [201, { requestId: 'rr-2', status: 'pending' }];
  await using scene = await openScene('', created, rejected, again, approved);
  const pauses: string[][] = [];
  scene.onPause = async (count) => {
    // The first pause is a tick, the three that follow wait for the reset, and the last is a tick again.
    if (count > 4) return false;
    pauses.push(calls(scene));
    if (count === 4) {
      const reset: ConfigChanges = {
        workerId: undefined,
        authToken: undefined,
        installId: undefined,
        registrationRequestId: undefined,
        registrationSecret: undefined,
      };
      await (await openConfigStore(scene.config.path)).patch(reset);
      await scene.config.refresh();
    }
    return count === 4;
  };
  assert.equal((await scene.pass()).workerId, 'w-1');
  const asked = ['POST register-request', 'GET register-requests/rr-1'];
  assert.deepEqual(pauses, [asked.slice(0, 1), asked, asked, asked]);
  assert.deepEqual(calls(scene), [...asked, 'POST register-request', 'GET register-requests/rr-2']);
  assert.notEqual(bodyOf(scene, 0).installId, bodyOf(scene, 2).installId);
  assert.ok(messages(scene).some((message) => message.includes('not today')));
});

test('credentials that an operator writes into the file end the wait of a rejected worker', async () => {
  await using scene = await openScene('', created, rejected);
  scene.onPause = async (count) => {
    if (count === 2) await scene.config.patch({ workerId: 'w-3', authToken: 'tok' });
    return count === 2;
  };
  assert.equal((await scene.pass()).workerId, 'w-3');
});

test('the operator is told once that approval is needed', async () => {
  await using scene = await openScene('', created, pending, approved);
  await scene.pass();
  const waiting = messages(scene).filter((message) => message.startsWith('waiting for an operator'));
  assert.equal(waiting.length, 1);
  assert.match(waiting[0] ?? '', /requestId=rr-1/);
});

test('a request that another process saved meanwhile is polled instead of making one more', async () => {
  await using scene = await openScene('', [500, 'oops'], approved);
  scene.onPause = async () => {
    await scene.config.patch({ registrationRequestId: 'rr-7', registrationSecret: 'theirs' });
    return true;
  };
  await scene.pass();
  assert.deepEqual(calls(scene), ['POST register-request', 'GET register-requests/rr-7']);
  assert.equal(scene.studio.asked[1]?.headers.authorization, 'Bearer theirs');
});

test('a reset while the request is pending makes a new request and says so', async () => {
  const again: Answer = [201, { requestId: 'rr-2', status: 'pending' }];
  await using scene = await openScene('', created, again, approved);
  scene.onPause = async (count) => {
    if (count > 1) return false;
    await scene.config.patch({ installId: undefined, registrationRequestId: undefined, registrationSecret: undefined });
    return true;
  };
  await scene.pass();
  assert.deepEqual(calls(scene).slice(1), ['POST register-request', 'GET register-requests/rr-2']);
  assert.equal(messages(scene).filter((message) => message.startsWith('waiting for an operator')).length, 2);
});

test('neither secret nor token appears in the log', async () => {
  const echo: Answer = (response, { headers }) => void response.writeHead(500).end(`you sent ${headers.authorization}`);
  await using scene = await openScene('', created, echo, approved);
  await scene.pass();
  scene.logs.info('test', 'the token is the-token');
  const text = messages(scene).join('\n');
  const secret = scene.studio.asked[1]?.headers.authorization?.slice('Bearer '.length) ?? '';
  assert.equal(secret.length, 64);
  assert.ok(!text.includes(secret), text);
  assert.ok(!text.includes('the-token'), text);
});

test('stopping ends the gate in the middle of a call, of a tick, and before it begins', async () => {
  {
    await using scene = await openScene('', () => void scene.stop.abort());
    await assert.rejects(scene.pass(), { name: 'AbortError' });
  }
  {
    await using scene = await openScene('', created, () => void scene.stop.abort());
    await assert.rejects(scene.pass(), { name: 'AbortError' });
  }
  {
    await using scene = await openScene('', created);
    scene.onPause = () => {
      scene.stop.abort();
      return false;
    };
    await assert.rejects(scene.pass(), { name: 'AbortError' });
  }
  {
    await using scene = await openScene('');
    scene.stop.abort();
    await assert.rejects(scene.pass(), { name: 'AbortError' });
    assert.deepEqual(calls(scene), []);
  }
});
