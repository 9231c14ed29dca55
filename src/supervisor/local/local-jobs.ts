// Jobs of programs on this machine: they wait in a bounded queue of their kind, take turns with the studio's (jobs/turns.ts)
// and run on the same host. Neither a pause, nor the threshold, nor a missing session concerns them; memory does.
//
//   waiting ─its turn→ running ─→ done
//      └── too late, given up, stopping ─┴→ failed: the caller hears at once, the place is free when the run has ended
import { Failure, type FailureCode, TASK_KINDS, type TaskKind } from '../../protocol/index.ts';
import type { Host, Verdict } from '../../workers/types.ts';
import type { Recorder } from '../activity/recorder.ts';
import { codeLabel } from '../activity/recorder.ts';
import type { Activity } from '../activity/types.ts';
import type { AdmissionHold } from '../admission-hold.ts';
import { type Ask, isForMemory, type Turns } from '../jobs/turns.ts';
import type { Logs } from '../logs/logs.ts';
import { type LocalRun, type RunParts, startRun } from './local-run.ts';
import { type Answer, nextOf, type Waiter } from './queue.ts';
import { averageWith, retryAfterSecs } from './retry-after.ts';
import type { LocalJobs, LocalRequest, LocalResult, QueueFull } from './types.ts';
import { WAITING_BYTES_MAX, weightOf } from './weight.ts';

/** Of one kind. More would wait longer than anybody waits for an answer. */
export const WAITING_MAX = 128;

/** The longest time that a timer of Node can wait, in ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const GIB = 1024 ** 3;

export type LocalJobsOptions = {
  readonly host: Host;
  readonly turns: Turns;
  readonly activity: Activity;
  readonly recorder: Recorder;
  readonly logs: Logs;
  /** Jobs that wait begin when it has been let go. */
  readonly hold: Pick<AdmissionHold, 'held' | 'changes'>;
};

type Waiting = Waiter & {
  readonly weight: number;
  readonly request: LocalRequest;
  readonly ask: Ask;
  readonly queuedMs: number;
  /** Takes it out of the queue's hands: to the run that began, or to an end. */
  begin(run: LocalRun): void;
  fail(failure: Failure): void;
};

export function openLocalJobs({ host, turns, hold, ...parts }: LocalJobsOptions): LocalJobs {
  const { recorder } = parts;
  const queues = new Map<TaskKind, Waiting[]>(TASK_KINDS.map((kind) => [kind, []]));
  const runs = new Set<LocalRun>();
  const averageMs = new Map<TaskKind, number>();
  const idleWaiters: (() => void)[] = [];
  const runParts: RunParts = { host, ...parts };
  let waitingWeight = 0;
  let closed: Failure | undefined;

  const pumpAll = (): void => {
    for (const kind of TASK_KINDS) pump(kind);
  };
  turns.changes.addEventListener('change', pumpAll);
  hold.changes.addEventListener('change', pumpAll);

  function queueOf(kind: TaskKind): Waiting[] {
    return queues.get(kind) ?? [];
  }

  /** Starts who can, then says what the first of those who cannot waits for. */
  function pump(kind: TaskKind): void {
    const queue = queueOf(kind);
    if (queue.length === 0) return;
    const verdicts = new Map<Waiting, Verdict>();
    const ask = (waiting: Waiting): Answer => {
      const verdict = host.verdict(waiting.ask);
      verdicts.set(waiting, verdict);
      if (verdict.kind === 'never') return 'refuse';
      return verdict.kind === 'ready' && !hold.held && turns.mayStart(kind) ? 'start' : 'wait';
    };
    for (let next = nextOf(queue, ask); next !== undefined; next = nextOf(queue, ask)) {
      const { waiter, answer } = next;
      const verdict = verdicts.get(waiter);
      remove(waiter);
      if (answer === 'start') begin(waiter);
      else if (verdict?.kind === 'never') waiter.fail(new Failure(verdict.code, verdict.why));
    }
    const [first] = queue;
    const verdict = first && verdicts.get(first);
    turns.localWants(
      kind,
      hold.held ? undefined : first && { memory: verdict?.kind === 'busy' && isForMemory(verdict) },
    );
    wakeIfIdle();
  }

  function begin(waiting: Waiting): void {
    const { kind } = waiting.ask.task;
    const waitedMs = performance.now() - waiting.queuedMs;
    const over = turns.started('local', kind);
    const run = startRun(waiting.request, waiting.ask, waitedMs, runParts);
    runs.add(run);
    waiting.begin(run);
    const startedMs = performance.now();
    void run.over.then(() => {
      averageMs.set(kind, averageWith(averageMs.get(kind), performance.now() - startedMs));
      runs.delete(run);
      over();
      wakeIfIdle();
    });
  }

  function remove(waiting: Waiting): void {
    const queue = queueOf(waiting.ask.task.kind);
    const at = queue.indexOf(waiting);
    if (at < 0) return;
    queue.splice(at, 1);
    waitingWeight -= waiting.weight;
  }

  function wakeIfIdle(): void {
    if (runs.size > 0 || (!hold.held && [...queues.values()].some((queue) => queue.length > 0))) return;
    for (const wake of idleWaiters.splice(0)) wake();
  }

  function refused(kind: TaskKind, code: FailureCode): void {
    recorder.refusals.add({ kind, code: codeLabel(code) });
  }

  function full(kind: TaskKind, waiting: number): QueueFull {
    const places = host.slots()[kind] ?? 1;
    const secs = retryAfterSecs(waiting, averageMs.get(kind), places);
    const failure = new Failure('QUEUE_FULL', `${waiting} ${kind} jobs wait already; try again in ${secs} s`);
    return Object.assign(failure, { code: 'QUEUE_FULL', retryAfterSecs: secs } as const);
  }

  /** Waits, runs, and ends exactly once for its caller, whichever of the run, the deadline and the signal comes first. */
  function enqueue(request: LocalRequest, weight: number): Promise<LocalResult> {
    const { entry, task, signal, deadlineMs = Number.POSITIVE_INFINITY } = request;
    const end = Promise.withResolvers<LocalResult>();
    let run: LocalRun | undefined;
    let waits = true;
    const waiting: Waiting = {
      model: entry.id,
      passed: 0,
      weight,
      request,
      ask: { model: entry.id, source: entry.source, task, vramBytes: Math.ceil(entry.vramGbEstimate * GIB) },
      queuedMs: performance.now(),
      begin(begun) {
        waits = false;
        run = begun;
        run.done.then(end.resolve, stop);
      },
      fail(failure) {
        waits = false;
        refused(task.kind, failure.code);
        stop(failure);
      },
    };
    function stop(failure: Failure): void {
      clearTimeout(late);
      signal.removeEventListener('abort', gone);
      end.reject(failure);
      run?.cancel(failure);
      if (!waits) return;
      waits = false;
      remove(waiting);
      refused(task.kind, failure.code);
      // Whoever stood behind it may be the first now.
      pump(task.kind);
    }
    const gone = (): void => stop(new Failure('CANCELLED', 'the caller has gone'));
    const late =
      deadlineMs <= TIMER_MS_MAX
        ? setTimeout(
            () => stop(new Failure('DEADLINE_PASSED', 'deadline passed: the caller stopped waiting')),
            deadlineMs,
          )
        : undefined;
    signal.addEventListener('abort', gone, { once: true });
    end.promise.then(
      () => {
        clearTimeout(late);
        signal.removeEventListener('abort', gone);
      },
      () => {},
    );
    queueOf(task.kind).push(waiting);
    waitingWeight += weight;
    pump(task.kind);
    return end.promise;
  }

  return {
    async run(request) {
      const { kind } = request.task;
      if (closed !== undefined) throw closed;
      if (request.signal.aborted) throw new Failure('CANCELLED', 'the caller has gone');
      const waiting = queueOf(kind).length;
      const weight = weightOf(request.task);
      // One that would be alone is let in, whatever it weighs: the local API has limits of its own.
      const hasRoom = waitingWeight === 0 || waitingWeight + weight <= WAITING_BYTES_MAX;
      if (waiting < WAITING_MAX && hasRoom) return enqueue(request, weight);
      refused(kind, 'QUEUE_FULL');
      throw full(kind, waiting);
    },
    waiting: (kind) => queueOf(kind).length,
    running: () => [...runs].map(({ jobId }) => jobId),
    close() {
      closed ??= new Failure('SHUTDOWN', 'the worker is stopping');
      for (const queue of queues.values())
        for (const waiting of [...queue]) {
          remove(waiting);
          waiting.fail(closed);
        }
      for (const kind of TASK_KINDS) turns.localWants(kind, undefined);
      wakeIfIdle();
    },
    cancelAll(reason) {
      this.close();
      for (const run of runs) run.cancel(new Failure('SHUTDOWN', reason));
    },
    idle() {
      return new Promise((wake) => {
        idleWaiters.push(wake);
        wakeIfIdle();
      });
    },
  };
}
