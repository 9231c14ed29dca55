// A job whose answer is streamed as it is made: OpenAI's events, `[DONE]` at the end. As long as nothing has been sent, a
// failure is an ordinary answer with its own status; after that it is an event.
import type { ServerResponse } from 'node:http';
import { type EventStream, openEventStream } from '../event-stream.ts';
import { type Ran, runLocal, type Wanted } from '../local-run.ts';
import type { ApiParts } from '../parts.ts';
import { openAiBody, type Problem, problemOf } from '../problem.ts';

/** Reading a long prompt may take minutes; by then whoever waits should have heard something. In ms. */
const SILENCE_MS = 5_000;

export type Streamed = Wanted & {
  /** Sends what is left. Called with the finished job. */
  readonly finished: (ran: Ran) => void;
};

export interface TextStream extends EventStream {
  /** Rejects only while nothing has been sent. */
  run(parts: ApiParts, wanted: Streamed): Promise<void>;
}

export function openTextStream(outgoing: ServerResponse, render: (text: string) => string): TextStream {
  const events = openEventStream(outgoing, render);
  return {
    ...events,
    async run(parts, { finished, ...wanted }) {
      let silence: NodeJS.Timeout | undefined;
      try {
        const ran = await runLocal(parts, {
          ...wanted,
          loaded: (temperature) => {
            if (!outgoing.headersSent) outgoing.setHeader('x-model-state', temperature);
          },
          observer: {
            ...wanted.observer,
            started(jobId) {
              if (!outgoing.headersSent) outgoing.setHeader('x-job-id', jobId);
              silence = setTimeout(events.begin, SILENCE_MS);
            },
          },
        });
        finished(ran);
      } catch (thrown) {
        if (!outgoing.headersSent) throw thrown;
        events.event(JSON.stringify(failureBody(parts, thrown)));
      } finally {
        clearTimeout(silence);
      }
      events.event('[DONE]');
      await events.end();
    },
    [Symbol.dispose]: () => events[Symbol.dispose](),
  };
}

function failureBody(parts: ApiParts, thrown: unknown): object {
  const problem = problemOf(thrown) ?? unforeseen(parts, thrown);
  return openAiBody(problem, problem.status);
}

function unforeseen({ logs }: ApiParts, err: unknown): Problem {
  logs.error('api', 'a stream broke for a reason that nobody foresaw', { err });
  return { status: 500, code: 'internal', message: 'internal error, see the log of the worker' };
}
