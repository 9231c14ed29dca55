// The OpenAPI document, made from the same schemas that check the requests.
import { Hono } from 'hono';
import { z } from 'zod';
import { API_PREFIX, RegisterCreated, RegisterRequest, RegisterStatus } from '../../../protocol/index.ts';
import { JobEvent, LogEvent, RegistrationEvent, WorkerEvent } from '../api/event.ts';
import { JobList, JobQuery, JobView, NewJob } from '../api/job.ts';
import { ModelChange, ModelEntry, ModelList } from '../api/model.ts';
import {
  Approved,
  LogList,
  LogQuery,
  RegistrationList,
  RegistrationQuery,
  Rejection,
  WorkerList,
} from '../api/worker.ts';
import type { Env } from '../env.ts';

export const openapiRoutes = new Hono<{ Bindings: Env }>();

let document: string | undefined;

openapiRoutes.get('/openapi.json', (c) => {
  document ??= JSON.stringify(describe());
  return c.body(document, 200, { 'content-type': 'application/json' });
});

type Route = {
  method: 'get' | 'post' | 'put' | 'delete';
  path: string;
  summary: string;
  /** Whose bearer token it wants. */
  auth?: 'operator' | 'worker' | 'registration';
  query?: z.ZodObject;
  body?: z.ZodType;
  answer?: z.ZodType;
  status?: number;
};

const ProblemBody = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const Moved = JobView.pick({ status: true });
const operator = { auth: 'operator' } as const;

const ROUTES: Route[] = [
  { method: 'post', path: '/jobs', summary: 'Create a job', body: NewJob, answer: JobView, status: 201, ...operator },
  { method: 'get', path: '/jobs', summary: 'List jobs, newest first', query: JobQuery, answer: JobList, ...operator },
  { method: 'get', path: '/jobs/{id}', summary: 'Show a job', answer: JobView, ...operator },
  { method: 'post', path: '/jobs/{id}/cancel', summary: 'Cancel a job', answer: Moved, ...operator },
  {
    method: 'post',
    path: '/jobs/{id}/retry',
    summary: 'Start a failed or cancelled job again',
    answer: Moved,
    ...operator,
  },
  { method: 'get', path: '/jobs/{id}/output', summary: "A job's bytes, or its JSON result", ...operator },
  { method: 'get', path: '/workers', summary: 'List workers', answer: WorkerList, ...operator },
  { method: 'delete', path: '/workers/{id}', summary: 'Remove a worker', ...operator },
  {
    method: 'get',
    path: '/workers/{id}/logs',
    summary: "A worker's log",
    query: LogQuery,
    answer: LogList,
    ...operator,
  },
  {
    method: 'get',
    path: '/workers/register-requests',
    summary: 'List register requests',
    query: RegistrationQuery,
    answer: RegistrationList,
    ...operator,
  },
  {
    method: 'post',
    path: '/workers/register-requests/{id}/approve',
    summary: 'Let a worker in',
    answer: Approved,
    ...operator,
  },
  {
    method: 'post',
    path: '/workers/register-requests/{id}/reject',
    summary: 'Turn a worker away',
    body: Rejection,
    ...operator,
  },
  { method: 'get', path: '/models', summary: 'List the catalogue', answer: ModelList, ...operator },
  {
    method: 'post',
    path: '/models',
    summary: 'Add a model',
    body: ModelEntry,
    answer: ModelEntry,
    status: 201,
    ...operator,
  },
  { method: 'get', path: '/models/{id}', summary: 'Show a model', answer: ModelEntry, ...operator },
  {
    method: 'put',
    path: '/models/{id}',
    summary: 'Change a model',
    body: ModelChange,
    answer: ModelEntry,
    ...operator,
  },
  { method: 'delete', path: '/models/{id}', summary: 'Remove a model', ...operator },
  {
    method: 'get',
    path: '/events',
    summary:
      'Server-sent events: job (JobEvent), worker (WorkerEvent), registration (RegistrationEvent), log (LogEvent)',
    ...operator,
  },
  { method: 'get', path: '/healthz', summary: 'Is the studio there' },
  {
    method: 'post',
    path: '/workers/register-request',
    summary: 'A worker asks to be let in',
    body: RegisterRequest,
    answer: RegisterCreated,
    status: 201,
  },
  {
    method: 'get',
    path: '/workers/register-requests/{id}',
    summary: 'A worker asks what became of its request; the bearer is its raw registration secret',
    answer: RegisterStatus,
    auth: 'registration',
  },
  {
    method: 'post',
    path: '/workers/{id}/jobs/{jobId}/complete',
    summary: 'A worker delivers an output: multipart parts prompt, ext and image, 512 MiB at most',
    auth: 'worker',
  },
  {
    method: 'get',
    path: '/workers/{id}/connect',
    summary: 'A worker opens its session: WebSocket upgrade with the sub-protocol studio-worker-v1',
    auth: 'worker',
  },
];

function describe(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of ROUTES) {
    const path = `${API_PREFIX}${route.path}`;
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  const bearer = (description: string) => ({ type: 'http', scheme: 'bearer', description });
  return {
    openapi: '3.1.0',
    info: { title: 'Reference studio', version: '1' },
    paths,
    components: {
      securitySchemes: {
        operator: bearer('the admin token'),
        worker: bearer("the worker's auth token"),
        registration: bearer('the raw registration secret'),
      },
      schemas: {
        JobView: schema(JobView),
        JobEvent: schema(JobEvent),
        WorkerEvent: schema(WorkerEvent),
        RegistrationEvent: schema(RegistrationEvent),
        LogEvent: schema(LogEvent),
      },
    },
  };
}

function operation(route: Route): object {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
  const json = (type: z.ZodType) => ({ content: { 'application/json': { schema: schema(type) } } });
  return {
    summary: route.summary,
    ...(route.auth && { security: [{ [route.auth]: [] }] }),
    parameters: [
      ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...Object.entries(route.query?.shape ?? {}).map(([name, type]) => ({
        name,
        in: 'query',
        schema: schema(type as z.ZodType),
      })),
    ],
    ...(route.body && { requestBody: { required: true, ...json(route.body) } }),
    responses: {
      [route.status ?? 200]: { description: 'ok', ...(route.answer && json(route.answer)) },
      default: { description: 'an error', ...json(ProblemBody) },
    },
  };
}

/** The wire's own form: what may be sent, before defaults are filled in. */
function schema(type: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(type, { io: 'input', unrepresentable: 'any' });
  return rest;
}
