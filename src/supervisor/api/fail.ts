// Answers a request that could not be served, in the form of its group of routes.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { ApiEnv } from './app.ts';
import type { ApiParts } from './parts.ts';
import { refuse } from './plain-answer.ts';
import { answerOf, type ProblemForm, problemOf } from './problem.ts';

/** For `onError` of a group of routes. */
export function failsAs(form: ProblemForm, { logs }: Pick<ApiParts, 'logs'>) {
  return (thrown: unknown, c: Context<ApiEnv>): Response => {
    const { incoming, outgoing } = c.env;
    const problem = problemOf(thrown) ?? unforeseen(thrown, c, logs);
    const { status, headers, body } = answerOf(problem, form);
    // Part of the body may still be on its way.
    if (!incoming.complete) {
      refuse(incoming, outgoing, status, body, headers);
      return RESPONSE_ALREADY_SENT;
    }
    return new Response(body, { status, headers });
  };
}

function unforeseen(err: unknown, c: Context<ApiEnv>, logs: ApiParts['logs']) {
  logs.error('api', 'a request failed for a reason that nobody foresaw', { err, path: c.req.path });
  return { status: 500, code: 'internal', message: 'internal error, see the log of the worker' };
}
