// What a route answers when it cannot do what it was asked, and the three forms that such an answer takes: plain text on
// the upstream job routes, `{error, message}` on its lifecycle routes, and OpenAI's form below /v1. Pure.
import { Failure, type FailureCode } from '../../protocol/failure.ts';
import { ModelError } from '../models/types.ts';

export type Problem = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfterSecs?: number | undefined;
  /** The field of the request that is wrong. */
  readonly param?: string | undefined;
  /** Further fields of a JSON answer. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
};

export class ApiError extends Error {
  static {
    ApiError.prototype.name = 'ApiError';
  }
  readonly problem: Problem;

  constructor(problem: Problem, options?: { cause: unknown }) {
    super(problem.message, options);
    this.problem = problem;
  }
}

export function badRequest(message: string, param?: string): ApiError {
  return new ApiError({ status: 400, code: 'bad_request', message, param });
}

/** The contract's pause before another try. */
const RETRY_SECS = 2;
const FULL: Pick<Problem, 'status' | 'retryAfterSecs'> = { status: 503, retryAfterSecs: RETRY_SECS };

/** What is not here is the worker's own fault: 500. */
const STATUS: Partial<Record<FailureCode, Pick<Problem, 'status' | 'retryAfterSecs'>>> = {
  INPUT_INVALID: { status: 400 },
  KIND_UNSUPPORTED: { status: 400 },
  ADDRESS_REFUSED: { status: 400 },
  QUEUE_FULL: FULL,
  VRAM_EXHAUSTED: FULL,
  SHUTDOWN: FULL,
  CANCELLED: FULL,
  DEADLINE_PASSED: { status: 504 },
};

/** Undefined: nobody foresaw this, so it is for the log and not for the client. */
export function problemOf(thrown: unknown): Problem | undefined {
  if (thrown instanceof ApiError) return thrown.problem;
  if (thrown instanceof ModelError) {
    const { status, code, message, details } = thrown;
    return { status, code, message, fields: details };
  }
  if (!(thrown instanceof Failure)) return undefined;
  const { code, message } = thrown;
  const { retryAfterSecs: secs } = thrown as { retryAfterSecs?: unknown };
  const known = STATUS[code] ?? { status: 500 };
  const retryAfterSecs = typeof secs === 'number' ? secs : known.retryAfterSecs;
  return { status: known.status, code: code.toLowerCase(), message: textOf(code, message), retryAfterSecs };
}

/** The one text that the contract fixes. */
function textOf(code: FailureCode, message: string): string {
  return code === 'DEADLINE_PASSED' ? 'deadline passed: the caller stopped waiting' : message;
}

export type ProblemForm = 'text' | 'json' | 'openai';

export type ProblemAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export function answerOf(problem: Problem, form: ProblemForm): ProblemAnswer {
  const status = statusIn(form, problem);
  const retry: Record<string, string> =
    problem.retryAfterSecs === undefined ? {} : { 'retry-after': String(problem.retryAfterSecs) };
  if (form === 'text' && problem.fields?.loading === undefined) {
    return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...retry }, body: problem.message };
  }
  const body = form === 'openai' ? openAiBody(problem, status) : jsonBody(problem);
  return { status, headers: { 'content-type': 'application/json', ...retry }, body: JSON.stringify(body) };
}

function jsonBody({ code, message, fields }: Problem): object {
  return { error: code, message, ...fields };
}

/**
 * OpenAI's clients wait and try again after 429, and take 404 for "no such model". On the upstream job routes a model that
 * cannot be had is one of the wrong fields of a request.
 */
function statusIn(form: ProblemForm, { code, status }: Problem): number {
  if (form === 'openai' && code === 'queue_full') return 429;
  if (form !== 'json' && (code === 'unknown_model' || code === 'no_model')) return form === 'text' ? 400 : 404;
  return status;
}

export function openAiBody({ code, message, param, fields }: Problem, status: number): object {
  const known: Readonly<Record<string, string>> = { unknown_model: 'model_not_found', bad_request: 'invalid_value' };
  return { error: { message, type: openAiType(status), param: param ?? null, code: known[code] ?? code }, ...fields };
}

function openAiType(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
