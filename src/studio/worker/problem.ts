// Errors of the HTTP API: one class, one table of codes, one JSON shape `{error: {code, message}}`.
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';

const STATUS = {
  invalid_request: 400,
  unauthorized: 401,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  upgrade_required: 426,
  rate_limited: 429,
  internal: 500,
} as const;
export type ProblemCode = keyof typeof STATUS;

export class Problem extends Error {
  static {
    Problem.prototype.name = 'Problem';
  }
  readonly code: ProblemCode;

  constructor(code: ProblemCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a Durable Object answers in place of throwing: an error's class and fields do not survive the call back. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; code: ProblemCode; message: string };

export function unwrap<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Problem(outcome.code, outcome.message);
  return outcome.value;
}

export function answerProblem(thrown: unknown, c: Context): Response {
  if (thrown instanceof Problem) return c.json(body(thrown.code, thrown.message), STATUS[thrown.code]);
  if (thrown instanceof HTTPException) return c.json(body('invalid_request', thrown.message), thrown.status);
  console.error('request failed', c.req.method, c.req.path, thrown);
  return c.json(body('internal', 'the studio could not answer this request'), 500);
}

function body(code: ProblemCode, message: string): { error: { code: ProblemCode; message: string } } {
  return { error: { code, message } };
}
