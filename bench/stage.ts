// What every measurement stands on: a real studio, a tap in front of it, and workers (the real one, or the bare baseline)
// that were let in.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { openStudio } from '../src/studio/host/embedded-studio.ts';
import { type NewJob, type Operator, openOperator, type StudioEvent } from '../src/studio/operator-client.ts';
import { openTap, type Tap } from './tap.ts';

export type Credentials = { workerId: string; authToken: string };

export interface Stage extends AsyncDisposable {
  readonly operator: Operator;
  readonly tap: Tap;
  /** Registers and approves a worker, without a process. */
  letIn(): Promise<Credentials>;
  /** Called for each event of the studio. */
  onEvent: (event: StudioEvent) => void;
}

const ADMIN_TOKEN = randomUUID();

export async function openStage(): Promise<Stage> {
  const studio = await openStudio({ adminToken: ADMIN_TOKEN, limits: {} });
  const tap = await openTap(studio.url);
  const operator = openOperator({ url: studio.url, adminToken: ADMIN_TOKEN });
  const stage = { onEvent: (_: StudioEvent): void => {} };
  const events = await operator.events();
  void (async () => {
    for await (const event of events) stage.onEvent(event);
  })().catch(() => {});

  return Object.assign(stage, {
    operator,
    tap,
    async letIn(): Promise<Credentials> {
      const secret = randomUUID();
      const base = `${studio.url}/graphics/api/workers`;
      const asked = await request(`${base}/register-request`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          installId: randomUUID(),
          registrationSecretHash: createHash('sha256').update(secret).digest('hex'),
          userAgent: 'bench',
          capabilities: {
            machineName: 'bench',
            username: 'bench',
            agentVersion: '0.0.0',
            engine: 'multi',
            vramTotalGb: 0,
            vramThresholdGb: 12,
            autoEnabled: true,
            autoStart: true,
            supportedModels: [],
          },
        }),
      });
      const { requestId } = (await asked.body.json()) as { requestId: string };
      await operator.approve(requestId);
      const polled = await request(`${base}/register-requests/${requestId}`, {
        headers: { authorization: `Bearer ${secret}` },
      });
      return (await polled.body.json()) as Credentials;
    },
    async [Symbol.asyncDispose]() {
      await operator[Symbol.asyncDispose]();
      await tap[Symbol.asyncDispose]();
      await studio[Symbol.asyncDispose]();
    },
  });
}

export interface Subject extends AsyncDisposable {
  readonly pid: number;
  /** From the start of the process to its `hello`, in ms. */
  readonly startToHelloMs: number;
}

const BIN = fileURLToPath(new URL('../bin/studio-worker.js', import.meta.url));
const BARE = fileURLToPath(new URL('./bare-worker.ts', import.meta.url));
const TEST_ENGINE = fileURLToPath(new URL('../fixtures/engines/test-engine.ts', import.meta.url));

export async function startRealWorker(stage: Stage, credentials: Credentials): Promise<Subject> {
  const dir = await mkdtemp(join(tmpdir(), 'studio-worker-bench-'));
  const config = `api_base_url = "${stage.tap.url}"
worker_id = "${credentials.workerId}"
auth_token = "${credentials.authToken}"

[pools.llm]
concurrency = 8

[[engines]]
id = "test"
module = ${JSON.stringify(TEST_ENGINE)}
kinds = ["image", "llm", "audio_stt", "audio_tts", "video"]
`;
  await writeFile(join(dir, 'config.toml'), config, { mode: 0o600 });
  return subject(
    stage,
    () => spawn(process.execPath, [BIN, 'run', '--config', join(dir, 'config.toml')], { stdio: 'ignore' }),
    () => rm(dir, { recursive: true, force: true }),
  );
}

export async function startBareWorker(stage: Stage, credentials: Credentials): Promise<Subject> {
  return subject(
    stage,
    () => {
      const child = fork(BARE, { stdio: 'ignore' });
      child.send({ url: stage.tap.url, ...credentials });
      return child;
    },
    async () => {},
  );
}

async function subject(stage: Stage, start: () => ChildProcess, clean: () => Promise<void>): Promise<Subject> {
  const hello = Promise.withResolvers<number>();
  const beating = Promise.withResolvers<void>();
  stage.tap.onPassing = ({ frame, atMs }) => {
    if (frame.type === 'hello') hello.resolve(atMs);
    if (frame.type === 'heartbeatAck') beating.resolve();
  };
  const startedMs = performance.now();
  const child = start();
  const exited = once(child, 'exit');
  const died = exited.then(([code, signal]) => {
    throw new Error(`the worker ended with ${code ?? signal}`);
  });
  died.catch(() => {});
  const helloMs = await Promise.race([hello.promise, died]);
  await Promise.race([beating.promise, died]);
  return {
    pid: child.pid ?? 0,
    startToHelloMs: helloMs - startedMs,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await clean();
    },
  };
}

/** Keeps `inFlight` jobs at the studio until `count` are done. Returns how long that took, in ms. */
export async function pump(stage: Stage, count: number, inFlight: number, order: () => NewJob): Promise<number> {
  const finished = Promise.withResolvers<number>();
  let created = 0;
  let done = 0;
  const startedMs = performance.now();
  const next = (): void => {
    if (created >= count) return;
    created += 1;
    stage.operator.createJob(order()).catch(finished.reject);
  };
  stage.onEvent = (event) => {
    if (event.type !== 'job') return;
    const { status, error } = event.data;
    if (status === 'failed' || status === 'cancelled') finished.reject(new Error(`a job ${status}: ${error?.message}`));
    if (status !== 'done') return;
    done += 1;
    if (done === count) finished.resolve(performance.now() - startedMs);
    else next();
  };
  for (let i = 0; i < inFlight; i += 1) next();
  try {
    return await finished.promise;
  } finally {
    stage.onEvent = () => {};
  }
}

export const CHAT: NewJob = {
  kind: 'llm',
  model: 'synthetic-llm',
  params: { messages: [{ role: 'user', content: 'hello there' }] },
};

/** A job that keeps the test engine busy for so long, in ms. */
export function busyJob(kind: NewJob['kind'], ms: number): NewJob {
  const text = JSON.stringify({ ms });
  const params: NewJob['params'] | undefined = (
    {
      image: { prompt: text },
      llm: { messages: [{ role: 'user', content: text }] },
      audio_stt: { inputUrl: text },
      audio_tts: { text },
      video: { prompt: text },
    } satisfies Record<NewJob['kind'], NewJob['params']>
  )[kind];
  const cliDefaults = { cfgScale: 1, steps: 1, width: 1, height: 1 };
  return { kind, model: 'busy', params, vramGbEstimate: 0.1, modelSource: { engine: 'test', files: [], cliDefaults } };
}
