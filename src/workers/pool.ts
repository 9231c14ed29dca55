// The threads of one kind: a Piscina whose every task is aimed at the thread that the host chose. Each thread is
// attached once with a control port; when one dies, Piscina starts another and it is attached in turn.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { Piscina, queueOptionsSymbol } from 'piscina';
import { Failure } from '../protocol/failure.ts';
import type { TaskKind } from '../protocol/index.ts';
import type { HostToThread, RunOrder, ThreadTask, ThreadToHost } from './messages.ts';
import type { HostOptions } from './types.ts';

const ENTRY = fileURLToPath(new URL(`./thread${extname(import.meta.url)}`, import.meta.url));

export type PoolThread = {
  post(message: HostToThread): void;
  /** Resolves when the thread has done with the job; rejects when the thread has died. */
  run(id: string, order: RunOrder, port: MessagePort): Promise<void>;
};

export type PoolOptions = {
  readonly kind: TaskKind;
  readonly threads: number;
  readonly concurrency: number;
  /** How long closing waits for a thread that is stuck, in ms. */
  readonly closeMsMax: number;
  message(thread: PoolThread, message: ThreadToHost): void;
  /** The thread is gone, with all it held. It is no longer in `threads`. */
  died(thread: PoolThread, failure: Failure): void;
  /** A new thread has taken the place of a dead one. */
  replaced(): void;
  readonly log: HostOptions['log'];
};

export type Pool = AsyncDisposable & { readonly threads: readonly PoolThread[] };

/** Where a task must go; read by the balancer, never sent. */
type Aim = { threadId: number };

export function openPool(options: PoolOptions): Pool {
  const { kind, log } = options;
  const threads = new Map<Worker, { thread: PoolThread; control: MessagePort }>();
  let closing = false;

  const piscina = new Piscina({
    filename: ENTRY,
    name: 'work',
    minThreads: options.threads,
    maxThreads: options.threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: options.concurrency,
    // The default blocks the thread between tasks, and with it every timer, port and child process of the thread.
    atomics: 'disabled',
    recordTiming: false,
    closeTimeout: options.closeMsMax,
    loadBalancer(task, workers) {
      const aim = task[queueOptionsSymbol] as Aim;
      const worker = workers.find(({ id }) => id === aim.threadId);
      // Without this the task would wait in Piscina's queue for a thread that never comes back.
      if (!worker) throw new Failure('ENGINE_CRASHED', `a thread of the ${kind} pool has just died`);
      return worker;
    },
  });
  piscina.on('error', (error: Error) => {
    // Deaths are told by each thread's own events; what is left is a close that found a thread stuck.
    log('debug', 'piscina', { kind, error: error.message });
  });
  piscina.on('workerCreate', ({ id }: { id: number }) => {
    // Piscina gives a new thread no task before this event is over.
    queueMicrotask(() => {
      const fresh = piscina.threads.find((worker) => worker.threadId === id && !threads.has(worker));
      if (!fresh || closing) return;
      attach(fresh);
      options.replaced();
    });
  });
  piscina.threads.forEach(attach);

  function attach(worker: Worker): void {
    const { threadId } = worker;
    const { port1: control, port2 } = new MessageChannel();
    const thread: PoolThread = {
      post: (message) => control.postMessage(message),
      run: (id, order, port) => send({ kind: 'run', id, order, port }, port),
    };
    async function send(task: ThreadTask, port: MessagePort): Promise<void> {
      const aim: Aim = { threadId };
      await piscina.run({ ...task, [queueOptionsSymbol]: aim }, { transferList: [port] });
    }
    threads.set(worker, { thread, control });
    control.on('message', (message: ThreadToHost) => options.message(thread, message));
    worker.once('error', (error) => lost(worker, error.message));
    worker.once('exit', (code) => lost(worker, `it ended with code ${code}`));
    send({ kind: 'attach', control: port2 }, port2).catch((error: Error) => lost(worker, error.message));
  }

  function lost(worker: Worker, why: string): void {
    const entry = threads.get(worker);
    if (!entry || closing) return;
    threads.delete(worker);
    entry.control.close();
    log('error', 'a pool thread has died', { kind, why });
    options.died(entry.thread, new Failure('ENGINE_CRASHED', `a thread of the ${kind} pool has died: ${why}`));
  }

  return {
    get threads() {
      return [...threads.values()].map(({ thread }) => thread);
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      await piscina.close();
      for (const { control } of threads.values()) control.close();
      threads.clear();
    },
  };
}
