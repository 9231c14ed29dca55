// The usual scene of an end-to-end test: the real studio in workerd, its operator, and workers that were let in.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedStudio, openStudio, type StudioOptions } from '../../src/studio/host/embedded-studio.ts';
import {
  type JobView,
  type NewJob,
  type Operator,
  openOperator,
  type StudioEvent,
} from '../../src/studio/operator-client.ts';
import { Happenings } from './until.ts';
import { makeConfigDir, startWorker, type WorkerProcess } from './worker-process.ts';

const ADMIN_TOKEN = 'an-operator-token-of-the-tests';

export interface Scene extends AsyncDisposable {
  readonly url: string;
  readonly operator: Operator;
  readonly events: Happenings<StudioEvent>;
  /** A worker that has been approved and welcomed. */
  approvedWorker(top?: string, tables?: string, keepDir?: boolean): Promise<WorkerProcess>;
  approveNext(): Promise<{ requestId: string; workerId: string }>;
  /** Waits for the job's end, whatever it is. */
  ended(jobId: string): Promise<JobView>;
  untilJob(jobId: string, matches: (event: Extract<StudioEvent, { type: 'job' }>['data']) => boolean): Promise<void>;
  /** Ends the studio as a crash of its machine would, and starts it again on the same state and port. */
  stopStudio(): Promise<void>;
  startStudio(): Promise<void>;
}

export async function openScene(limits: StudioOptions['limits'] = {}): Promise<Scene> {
  const stateDir = await mkdtemp(join(tmpdir(), 'studio-worker-e2e-studio-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const events = new Happenings<StudioEvent>();
  const operator = openOperator({ url, adminToken: ADMIN_TOKEN });
  let studio: EmbeddedStudio | undefined;
  /** Requests that were answered, here or by a test itself. */
  const handled = new Set<string>();

  const startStudio = async (): Promise<void> => {
    studio = await openStudio({ stateDir, port, adminToken: ADMIN_TOKEN, limits });
    const stream = await operator.events();
    void (async () => {
      try {
        for await (const event of stream) {
          if (event.type === 'registration' && event.data.status !== 'pending') handled.add(event.data.requestId);
          events.push(event);
        }
      } catch {
        // The stream breaks when the studio is stopped; a test that still waits then says so by itself.
      }
    })();
  };
  const stopStudio = async (): Promise<void> => {
    await studio?.[Symbol.asyncDispose]();
    studio = undefined;
  };
  await startStudio();

  const approveNext = async (): Promise<{ requestId: string; workerId: string }> => {
    const event = await events.until('a registration request to approve', (each) => {
      return each.type === 'registration' && each.data.status === 'pending' && !handled.has(each.data.requestId);
    });
    if (event.type !== 'registration') throw new Error('unreachable');
    handled.add(event.data.requestId);
    return operator.approve(event.data.requestId);
  };

  return {
    url,
    operator,
    events,
    approveNext,
    startStudio,
    stopStudio,
    async approvedWorker(top, tables, keepDir = false) {
      const worker = startWorker({ dir: await makeConfigDir(url, top, tables), keepDir });
      try {
        await approveNext();
        await worker.until('welcomed by the studio');
        return worker;
      } catch (error) {
        await worker[Symbol.asyncDispose]();
        throw error;
      }
    },
    async ended(jobId) {
      return operator.waitForJob(jobId, { signal: AbortSignal.timeout(90_000) });
    },
    async untilJob(jobId, matches) {
      await events.until(
        `an event of job ${jobId}`,
        (event) => event.type === 'job' && event.data.jobId === jobId && matches(event.data),
      );
    },
    async [Symbol.asyncDispose]() {
      await operator[Symbol.asyncDispose]();
      await stopStudio();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Settings that the wire demands of every model; the synthetic and the test engine look at none of them. */
export const CLI_DEFAULTS = { cfgScale: 1, steps: 8, width: 512, height: 512 };

/** One job of each kind for the synthetic engine. */
export const SYNTHETIC_JOBS: readonly NewJob[] = [
  { kind: 'image', model: 'synthetic-image', params: { prompt: 'a red fox', width: 320, height: 200, ext: 'png' } },
  { kind: 'llm', model: 'synthetic-llm', params: { messages: [{ role: 'user', content: 'hello there' }] } },
  { kind: 'audio_stt', model: 'synthetic-stt', params: { inputUrl: 'https://example.invalid/a.wav', language: 'nl' } },
  { kind: 'audio_tts', model: 'synthetic-tts', params: { text: 'good morning' } },
  { kind: 'video', model: 'synthetic-video', params: { prompt: 'waves', seconds: 1, width: 160, height: 120 } },
];

export type TestBehaviour = Record<string, unknown>;

/** A job that tells the test engine what to do. */
export function testJob(
  kind: NewJob['kind'],
  behaviour: TestBehaviour,
  model = 'test-model',
  vramGbEstimate = 0.1,
): NewJob {
  const text = JSON.stringify(behaviour);
  const params: Record<NewJob['kind'], NewJob['params']> = {
    image: { prompt: text },
    llm: { messages: [{ role: 'user', content: text }] },
    audio_stt: { inputUrl: text },
    audio_tts: { text },
    video: { prompt: text },
  };
  return {
    kind,
    model,
    params: params[kind],
    vramGbEstimate,
    modelSource: { engine: 'test', files: [], cliDefaults: CLI_DEFAULTS },
  };
}
