// Small pictures of results, made by one child process that starts when the first is wanted and ends when none has been
// wanted for a while: decoders are native code and take 60 MB, so they have no place in the supervisor.
//
//   none ─ask→ working ─answer→ resting ─ask→ working
//     ▲           │ too slow, or it died      │ REST_MS
//     └───────────┴───────────────────────────┘
import { type ChildProcess, fork } from 'node:child_process';
import os from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnv } from './child-env.ts';
import { openLastWords } from './last-words.ts';
import type { PreviewAnswer, PreviewAsk } from './preview-messages.ts';

const MAIN = fileURLToPath(new URL(`./preview-main${extname(import.meta.url)}`, import.meta.url));

/** Start of the process, decoding and encoding together; a large picture on a busy machine takes two or three seconds. */
const ANSWER_MS_MAX = 30_000;
/** Results come in bursts, and a start costs more than a picture. */
const REST_MS = 10_000;

export type PreviewProcessOptions = {
  readonly scratchDir: string;
  readonly modelsRoot: string;
  readonly answerMsMax?: number;
  readonly restMs?: number;
};

export interface PreviewProcess extends AsyncDisposable {
  /** Resolves with a PNG. Rejects with an `Error` that says why there is none. One at a time. */
  make(path: string, ext: string): Promise<Uint8Array>;
  /** Of the child, while there is one. */
  readonly pid: number | undefined;
}

type Child = {
  readonly process: ChildProcess;
  /** Resolves with how it ended. */
  readonly gone: Promise<string>;
};

export function openPreviewProcess(options: PreviewProcessOptions): PreviewProcess {
  const { answerMsMax = ANSWER_MS_MAX, restMs = REST_MS } = options;
  let child: Child | undefined;
  let resting: NodeJS.Timeout | undefined;
  let count = 0;
  let closed = false;

  function start(): Child {
    const process = forkMain(options);
    const words = openLastWords(process);
    const gone = Promise.withResolvers<string>();
    process.on(
      'exit',
      (code, signal) => void words.read.then(() => gone.resolve(ended(code, signal, words.telling()))),
    );
    process.on('error', (error) => {
      if (process.pid === undefined) gone.resolve(`could not be started: ${error.message}`);
      else process.kill('SIGKILL');
    });
    const own = { process, gone: gone.promise };
    void gone.promise.then(() => {
      if (child === own) child = undefined;
    });
    return own;
  }

  async function ask(one: Child, order: PreviewAsk): Promise<Uint8Array> {
    const answer = Promise.withResolvers<PreviewAnswer>();
    const hear = (message: unknown): void => {
      if ((message as PreviewAnswer).id === order.id) answer.resolve(message as PreviewAnswer);
    };
    const late = setTimeout(() => {
      answer.resolve({ id: order.id, why: `no answer within ${answerMsMax} ms` });
      end(one);
    }, answerMsMax);
    one.process.on('message', hear);
    void one.gone.then((why) => answer.resolve({ id: order.id, why }));
    if (one.process.connected) one.process.send(order);
    const { png, why } = { png: undefined, why: '', ...(await answer.promise) };
    clearTimeout(late);
    one.process.off('message', hear);
    if (png === undefined) throw new Error(why);
    return png;
  }

  function end(one: Child): void {
    if (child === one) child = undefined;
    one.process.kill('SIGKILL');
  }

  return {
    get pid() {
      return child?.process.pid;
    },
    async make(path, ext) {
      if (closed) throw new Error('the worker is stopping');
      clearTimeout(resting);
      child ??= start();
      const one = child;
      count += 1;
      try {
        return await ask(one, { id: count, path, ext });
      } finally {
        clearTimeout(resting);
        if (!closed) resting = setTimeout(() => end(one), restMs).unref();
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(resting);
      const last = child;
      if (last === undefined) return;
      end(last);
      await last.gone;
    },
  };
}

function forkMain({ scratchDir, modelsRoot }: PreviewProcessOptions): ChildProcess {
  const child = fork(MAIN, [scratchDir, modelsRoot], {
    serialization: 'advanced',
    execArgv: [],
    env: childEnv(process.env),
    // 4 is the lifeline (leave-with-parent.ts).
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    // A terminal's Ctrl-C must not end it before its parent does.
    detached: process.platform !== 'win32',
  });
  try {
    // Jobs matter more than their pictures. Some systems do not let us; then it does not give way.
    if (child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW);
  } catch {}
  return child;
}

function ended(code: number | null, signal: string | null, said: string | undefined): string {
  const how = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
  return said === undefined ? how : `${how}: ${said}`;
}
