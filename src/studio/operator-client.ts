// A client of the operator API, for the demo, the tests, the bench, and programs of whoever runs a studio.
import { Agent, type Dispatcher } from 'undici';
import { API_PREFIX, type RegisterRequest } from '../protocol/index.ts';
import { openEvents, type StudioEvents } from './operator-events.ts';
import type { JobList, JobQuery, JobStatus, JobView, NewJob } from './worker/api/job.ts';
import type { ModelChange, ModelEntry } from './worker/api/model.ts';
import type { LogLine, LogQuery, RegistrationStatus, RegistrationView, WorkerView } from './worker/api/worker.ts';

export type { StudioEvents } from './operator-events.ts';
export type { StudioEvent } from './worker/api/event.ts';
export type { JobList, JobQuery, JobStatus, JobView, NewJob } from './worker/api/job.ts';
export type { ModelChange, ModelEntry } from './worker/api/model.ts';
export type { LogLine, LogQuery, RegistrationStatus, RegistrationView, WorkerView } from './worker/api/worker.ts';
export type { RegisterRequest };

/** The studio's own error: match on `code` (`not_found`, `conflict`, `invalid_request`, `unauthorized`, …). */
export class OperatorError extends Error {
  static {
    OperatorError.prototype.name = 'OperatorError';
  }
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export type Output = { contentType: string; bytes: Uint8Array };
type Waiting = { signal?: AbortSignal | undefined };

export interface Operator extends AsyncDisposable {
  readonly url: string;
  createJob(job: NewJob): Promise<JobView>;
  jobs(query?: Partial<JobQuery>): Promise<JobList>;
  job(id: string): Promise<JobView>;
  cancelJob(id: string): Promise<{ status: JobStatus }>;
  retryJob(id: string): Promise<{ status: JobStatus }>;
  output(id: string): Promise<Output>;
  /** Resolves once the job is done, failed or cancelled; it does not judge which. */
  waitForJob(id: string, options?: Waiting): Promise<JobView>;
  workers(): Promise<WorkerView[]>;
  deleteWorker(id: string): Promise<void>;
  logs(workerId: string, query?: Partial<LogQuery>): Promise<LogLine[]>;
  registrations(status?: RegistrationStatus): Promise<RegistrationView[]>;
  approve(requestId: string): Promise<{ requestId: string; workerId: string }>;
  reject(requestId: string, reason?: string): Promise<void>;
  models(): Promise<ModelEntry[]>;
  model(id: string): Promise<ModelEntry>;
  addModel(entry: ModelEntry): Promise<ModelEntry>;
  changeModel(id: string, change: ModelChange): Promise<ModelEntry>;
  removeModel(id: string): Promise<void>;
  /** Resolves once the studio has subscribed us: no event from then on is missed. Close it, or abort `signal`. */
  events(options?: Waiting): Promise<StudioEvents>;
  health(): Promise<{ ok: boolean; workers: number }>;
}

const FINAL: ReadonlySet<JobStatus> = new Set(['done', 'failed', 'cancelled']);

export function openOperator(options: { url: string; adminToken: string }): Operator {
  const base = `${options.url.replace(/\/+$/, '')}${API_PREFIX}`;
  // Event streams are silent for long and stay open for ever; everything else answers within a minute.
  const agent = new Agent({ headersTimeout: 60_000, bodyTimeout: 0 });

  async function request(method: Dispatcher.HttpMethod, path: string, extra: { body?: unknown } & Waiting = {}) {
    const answer = await agent.request({
      origin: new URL(base).origin,
      path: `${new URL(base).pathname}${path}`,
      method,
      headers: {
        authorization: `Bearer ${options.adminToken}`,
        ...(extra.body !== undefined && { 'content-type': 'application/json' }),
      },
      body: extra.body === undefined ? null : JSON.stringify(extra.body),
      signal: extra.signal ?? null,
    });
    if (answer.statusCode >= 400) throw toError(answer.statusCode, await answer.body.text());
    return answer;
  }

  async function ask<T>(method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<T> {
    const answer = await request(method, path, { body });
    return (await answer.body.json()) as T;
  }

  async function events({ signal }: Waiting = {}): Promise<StudioEvents> {
    const closing = new AbortController();
    const any = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    const answer = await request('GET', '/events', { signal: any });
    return openEvents(answer.body, closing);
  }

  const job = (id: string) => ask<JobView>('GET', `/jobs/${encodeURIComponent(id)}`);

  return {
    url: options.url,
    createJob: (order) => ask('POST', '/jobs', order),
    jobs: (query = {}) => ask('GET', `/jobs${search(query)}`),
    job,
    cancelJob: (id) => ask('POST', `/jobs/${encodeURIComponent(id)}/cancel`),
    retryJob: (id) => ask('POST', `/jobs/${encodeURIComponent(id)}/retry`),

    async output(id) {
      const answer = await request('GET', `/jobs/${encodeURIComponent(id)}/output`);
      const contentType = answer.headers['content-type'];
      return { contentType: String(contentType), bytes: new Uint8Array(await answer.body.arrayBuffer()) };
    },

    async waitForJob(id, { signal } = {}) {
      // Subscribed before the first look, so that the end cannot fall between the two.
      await using stream = await events({ signal });
      const now = await job(id);
      if (FINAL.has(now.status)) return now;
      for await (const event of stream) {
        if (event.type === 'job' && event.data.jobId === id && FINAL.has(event.data.status)) return job(id);
      }
      signal?.throwIfAborted();
      throw new Error(`the studio closed the event stream before job ${id} had ended`);
    },

    workers: async () => (await ask<{ workers: WorkerView[] }>('GET', '/workers')).workers,
    deleteWorker: async (id) => void (await ask('DELETE', `/workers/${encodeURIComponent(id)}`)),
    logs: async (workerId, query = {}) =>
      (await ask<{ logs: LogLine[] }>('GET', `/workers/${encodeURIComponent(workerId)}/logs${search(query)}`)).logs,
    registrations: async (status) =>
      (await ask<{ requests: RegistrationView[] }>('GET', `/workers/register-requests${search({ status })}`)).requests,
    approve: (requestId) => ask('POST', `/workers/register-requests/${encodeURIComponent(requestId)}/approve`),
    reject: async (requestId, reason) =>
      void (await ask('POST', `/workers/register-requests/${encodeURIComponent(requestId)}/reject`, { reason })),
    models: async () => (await ask<{ models: ModelEntry[] }>('GET', '/models')).models,
    model: (id) => ask('GET', `/models/${encodeURIComponent(id)}`),
    addModel: (entry) => ask('POST', '/models', entry),
    changeModel: (id, change) => ask('PUT', `/models/${encodeURIComponent(id)}`, change),
    removeModel: async (id) => void (await ask('DELETE', `/models/${encodeURIComponent(id)}`)),
    events,
    health: () => ask('GET', '/healthz'),
    // Streams that are still open would hold up a friendly close for ever.
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function toError(status: number, text: string): OperatorError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return new OperatorError(error.code, status, error.message);
  } catch {
    return new OperatorError('internal', status, `the studio answered ${status}: ${text.slice(0, 300)}`);
  }
}

function search(query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`;
}
