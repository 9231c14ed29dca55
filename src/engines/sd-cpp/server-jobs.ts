// The jobs that one sd-server has been given: submitted one after another, polled, and cancelled. The server tells no
// progress; that is read from what it prints, whose lines carry no job id but come in the order of its queue.
//
//   submitting ─202→ queued ─"generate_image"→ generating ─completed→ done
//       │ 429: wait, try again    │ cancel: asked for          │ cancel: 409, so the server is ended
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../protocol/failure.ts';
import type { EngineLogLevel } from '../engine.ts';
import { atMost } from './at-most.ts';
import { wordsFailure } from './errors.ts';
import type { OutputEvent } from './output-parser.ts';
import type { JobRequest } from './request.ts';
import type { Server } from './server.ts';
import { type Answer, getJson, postJson } from './server-http.ts';

export type JobHooks = {
  readonly signal: AbortSignal;
  /** What the server prints about this very job. */
  heard(event: OutputEvent): void;
  /** The server works for another job, so this one waits but is not stuck. */
  waits(): void;
  log(level: EngineLogLevel, message: string): void;
};

export type ServerJobs = {
  /** Resolves with the `result` of the finished job. Rejects with `ServerGone` when the server ended meanwhile. */
  run(request: JobRequest, hooks: JobHooks): Promise<unknown>;
  heard(event: OutputEvent): void;
  log(level: EngineLogLevel, message: string): void;
};

/** `innocent`: the job had not begun, or the server was ended for another's sake, so it may run on the next server. */
export class ServerGone extends Error {
  readonly innocent: boolean;
  constructor(innocent: boolean) {
    super('sd-server has ended');
    this.innocent = innocent;
  }
}

/** Doubles from the first to the second: short jobs are not kept waiting, long ones are not asked for in vain. */
const POLL_MS = { first: 20, most: 250 } as const;
const QUEUE_FULL_MS = 250;
/** A server that does not answer a cancel within this time is ended. */
const CANCEL_MS = 1_000;
/** After a broken connection the exit of the process is only a moment away, unless it hangs. */
const DYING_MS = 2_000;
/** What was printed before the answer of a poll is here a moment later, unless this build prints other words. */
const LAST_WORDS_MS = 2_000;

/** `printed` resolves when the server has printed the end of the job. */
type Entry = { readonly hooks: JobHooks; begun: boolean; wake(): void; readonly printed: PromiseWithResolvers<void> };

export function openServerJobs(server: Server, idleLog: JobHooks['log']): ServerJobs {
  /** In the order of the server's queue, from the one that generates. */
  const entries: Entry[] = [];
  let submitting: Promise<unknown> = Promise.resolve();
  let endedByUs = false;
  let printsEnds = true;
  /** All of them, also those whose generation has ended. */
  const running = new Set<Entry>();
  void server.exited.then(() => {
    for (const entry of running) entry.wake();
  });

  function remove(entry: Entry): void {
    const index = entries.indexOf(entry);
    if (index >= 0) entries.splice(index, 1);
  }

  async function end(): Promise<void> {
    endedByUs = true;
    await server.stop();
  }

  /** Resolves with the job's id. Submissions go one by one, so that the order of `entries` is the server's. */
  async function submit(request: JobRequest, entry: Entry): Promise<string> {
    const { signal } = entry.hooks;
    for (;;) {
      const turn = submitting.then(async () => {
        signal.throwIfAborted();
        // Before the answer is there: the server may begin to print at once.
        entries.push(entry);
        const answer = await post(request, signal);
        if (answer.status !== 202) remove(entry);
        return answer;
      });
      submitting = turn.catch(() => {});
      const answer = await turn.catch(async (thrown) => {
        remove(entry);
        signal.throwIfAborted();
        throw await gone(entry, thrown);
      });
      if (answer.status === 202) return String((answer.json as { id?: unknown } | undefined)?.id);
      if (answer.status !== 429) throw refusal(request, answer, server.lines);
      entry.hooks.waits();
      await sleep(QUEUE_FULL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** Never broken off at once on a cancel: the job would stay in the queue, without an id to cancel it by. */
  async function post(request: JobRequest, signal: AbortSignal): Promise<Answer> {
    const stuck = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const limit = () => {
      timer = setTimeout(() => stuck.abort(), CANCEL_MS);
    };
    signal.addEventListener('abort', limit, { once: true });
    try {
      return await postJson(server.url + request.route, request.body, stuck.signal);
    } catch (thrown) {
      if (stuck.signal.aborted) await end();
      throw thrown;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', limit);
    }
  }

  async function cancel(id: string): Promise<void> {
    const url = `${server.url}/sdcpp/v1/jobs/${id}/cancel`;
    const answer = await postJson(url, undefined, AbortSignal.timeout(CANCEL_MS)).catch(() => undefined);
    if (answer?.status !== 200) await end();
  }

  /** Otherwise the last lines of this job would go to the log of the next one. */
  async function untilPrinted(entry: Entry): Promise<void> {
    if (!printsEnds) return;
    const late = await atMost(LAST_WORDS_MS, Promise.race([entry.printed.promise, server.exited]));
    if (late) printsEnds = false;
  }

  async function gone(entry: Entry, thrown: unknown): Promise<Error> {
    await atMost(DYING_MS, server.exited);
    if (server.hasExited()) return new ServerGone(endedByUs || !entry.begun);
    await end();
    return new Failure('ENGINE_FAILED', 'sd-server runs but no longer answers; it was ended', { cause: thrown });
  }

  async function untilDone(id: string, entry: Entry, woken: () => Promise<void>): Promise<unknown> {
    const { signal } = entry.hooks;
    for (let delayMs: number = POLL_MS.first; ; delayMs = Math.min(POLL_MS.most, delayMs * 2)) {
      await atMost(delayMs, woken());
      if (signal.aborted) {
        await cancel(id);
        throw signal.reason;
      }
      const answer = await getJson(`${server.url}/sdcpp/v1/jobs/${id}`, signal).catch(async (thrown) => {
        if (signal.aborted) return undefined;
        throw await gone(entry, thrown);
      });
      // Our server forgets nothing so soon: this is the answer of another one that shares the port.
      if (answer?.status === 404) await end();
      const done = answer && readJob(answer, entry, server.lines);
      if (done) {
        await untilPrinted(entry);
        return done.result;
      }
    }
  }

  return {
    async run(request, hooks) {
      let wakeUp = Promise.withResolvers<void>();
      const entry: Entry = {
        hooks,
        begun: false,
        printed: Promise.withResolvers<void>(),
        wake() {
          wakeUp.resolve();
          wakeUp = Promise.withResolvers<void>();
        },
      };
      const wake = () => entry.wake();
      hooks.signal.addEventListener('abort', wake);
      running.add(entry);
      try {
        const id = await submit(request, entry);
        return await untilDone(id, entry, () => wakeUp.promise);
      } finally {
        hooks.signal.removeEventListener('abort', wake);
        running.delete(entry);
        remove(entry);
      }
    },
    heard(event) {
      const [head] = entries;
      if (event.kind === 'begun' && head) head.begun = true;
      if (head?.begun) head.hooks.heard(event);
      for (const entry of entries) if (entry !== head || !entry.begun) entry.hooks.waits();
      if (event.kind !== 'ended' || !head?.begun) return;
      // The next lines are about the next one.
      entries.shift();
      head.printed.resolve();
      head.wake();
    },
    log(level, message) {
      const [head] = entries;
      if (head) head.hooks.log(level, message);
      else idleLog(level, message);
    },
  };
}

/** The finished job, or undefined while it goes on. */
function readJob(answer: Answer, entry: Entry, lines: readonly string[]): { result: unknown } | undefined {
  const { status, result, error } = (answer.json ?? {}) as {
    status?: unknown;
    result?: unknown;
    error?: { code?: unknown; message?: unknown } | string | null;
  };
  if (answer.status === 404 || answer.status === 410) {
    throw new Failure('ENGINE_FAILED', `sd-server no longer knows the job (${answer.status} ${String(error)})`);
  }
  if (answer.status !== 200) throw new Failure('ENGINE_FAILED', `sd-server answered a poll with ${answer.status}`);
  switch (status) {
    case 'queued':
      return undefined;
    case 'generating':
      entry.begun = true;
      return undefined;
    case 'completed':
      return { result };
    default: {
      const why = typeof error === 'object' && error ? `${error.code}: ${error.message}` : String(status);
      throw wordsFailure(`sd-server could not make it (${why})`, lines, 'ENGINE_FAILED');
    }
  }
}

function refusal(request: JobRequest, { status, json }: Answer, lines: readonly string[]): Failure {
  const { error, message } = (json ?? {}) as { error?: unknown; message?: unknown };
  const why = [error, message].filter((word) => typeof word === 'string').join(': ');
  const what = `sd-server refused ${request.mode} with ${status}${why ? ` (${why})` : ''}`;
  // A refusal of ours says its reason on stderr alone.
  if (/does not support/.test(why)) return wordsFailure(what, [why], 'MODEL_INVALID');
  return wordsFailure(what, status === 400 ? lines.slice(-3) : [], status === 400 ? 'INPUT_INVALID' : 'ENGINE_FAILED');
}
