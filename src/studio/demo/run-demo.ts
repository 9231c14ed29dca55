// The demo: a real studio, a real worker, real jobs of every kind, and files that decode.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openStudio } from '../host/embedded-studio.ts';
import { makeFolder } from '../host/make-folder.ts';
import { openStopSignal } from '../host/stop-signal.ts';
import { type JobView, type Operator, openOperator, type StudioEvents } from '../operator-client.ts';
import { checkResult } from './check-result.ts';
import { type DemoJob, demoJobs } from './demo-jobs.ts';
import { openProgressView, type ProgressView } from './progress-view.ts';
import { table } from './table.ts';
import { openWorkerProcess, type WorkerProcess } from './worker-process.ts';

export type DemoOptions = {
  prompt?: string | undefined;
  out: string;
  jobs: number;
  keep: boolean;
  json: boolean;
};

/** The whole demo takes some seconds; one that takes this long will not end. */
const DEMO_MS_MAX = 120_000;

type Row = { kind: string; model: string; ms: number; bytes: number; file: string; what: string };
type Stage = {
  signal: AbortSignal;
  view: ProgressView;
  worker: WorkerProcess;
  operator: Operator;
  events: StudioEvents;
};

/** Resolves with the exit code. Nothing that it started outlives it. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startedAt = performance.now();
  using stop = openStopSignal();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(DEMO_MS_MAX)]);
  // With --json stdout is the table alone.
  const view = openProgressView(options.json ? process.stderr : process.stdout);
  const temp = await mkdtemp(path.join(os.tmpdir(), 'studio-demo-'));
  let worker: WorkerProcess | undefined;
  try {
    const rows = await perform(options, temp, signal, view, (opened) => {
      worker = opened;
    });
    if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    else process.stdout.write(`\n${closingTable(rows)}\n\ndone in ${seconds(startedAt)} s\n`);
    return 0;
  } catch (error) {
    view.end();
    const reason = signal.aborted ? whyStopped(signal) : error;
    process.stderr.write(`\nthe demo failed: ${reason instanceof Error ? reason.message : String(reason)}\n`);
    const tail = worker?.tail();
    if (tail && !stop.signal.aborted) process.stderr.write(`\nthe worker's last lines:\n${tail}\n`);
    return 1;
  } finally {
    if (options.keep) process.stderr.write(`kept: ${temp}\n`);
    else await rm(temp, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function perform(
  options: DemoOptions,
  temp: string,
  signal: AbortSignal,
  view: ProgressView,
  onWorker: (worker: WorkerProcess) => void,
): Promise<Row[]> {
  const out = path.resolve(options.out);
  await makeFolder(out, 'folder for the results');
  const adminToken = randomBytes(32).toString('hex');
  await using studio = await openStudio({ adminToken, stateDir: path.join(temp, 'studio') });
  view.step(`studio   ${studio.url}`);
  await using operator = openOperator({ url: studio.url, adminToken });
  await using events = await operator.events({ signal });
  signal.throwIfAborted();
  await using worker = await openWorkerProcess(path.join(temp, 'worker'), studio.url);
  onWorker(worker);
  const stage = { signal, view, worker, operator, events };

  await letIn(stage);
  const created: Array<DemoJob & { id: string }> = [];
  for (const job of demoJobs(options.prompt, options.jobs)) {
    const { id } = await operator.createJob(job.order);
    created.push({ ...job, id });
    view.track(id, path.parse(job.file).name);
  }
  await finish(stage, new Set(created.map(({ id }) => id)));
  // Awaited here: what is opened above is closed as soon as this function returns.
  return await collect(operator, created, out);
}

/** Approves the worker when it asks, and waits until it is there. */
async function letIn({ events, operator, view, worker }: Stage): Promise<void> {
  const asked = await Promise.race([events.until((event) => event.type === 'registration'), worker.ended]);
  if (asked.type !== 'registration') return;
  view.step(`worker   ${asked.data.machineName} asks to be let in`);
  await operator.approve(asked.data.requestId);
  await Promise.race([
    events.until((event) => event.type === 'worker' && event.data.change === 'online'),
    worker.ended,
  ]);
  view.step('worker   approved and connected\n');
}

/** Follows the events until every job has ended. */
async function finish({ events, view, worker, signal }: Stage, open: Set<string>): Promise<void> {
  while (open.size > 0) {
    const event = await Promise.race([events.until(({ type }) => type === 'job'), worker.ended]);
    if (event.type !== 'job') continue;
    view.see(event);
    if (['done', 'failed', 'cancelled'].includes(event.data.status)) open.delete(event.data.jobId);
    signal.throwIfAborted();
  }
  view.end();
}

async function collect(operator: Operator, jobs: Array<DemoJob & { id: string }>, out: string): Promise<Row[]> {
  const rows: Row[] = [];
  const problems: string[] = [];
  for (const { id, file, order } of jobs) {
    const job = await operator.job(id);
    try {
      if (job.status !== 'done') throw new Error(`${job.status}: ${job.error?.message ?? 'no reason given'}`);
      const { bytes } = await operator.output(id);
      await writeFile(path.join(out, file), bytes);
      const what = await checkResult(order.kind, bytes);
      const ms = msOf(job);
      rows.push({ kind: order.kind, model: order.model, ms, bytes: bytes.length, file: path.join(out, file), what });
    } catch (error) {
      problems.push(
        `${file} (${order.kind}, ${order.model}, ${id}): ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return rows;
}

/** From here when it lies below, else from the root. */
function shortest(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

/** A timeout's own message says nothing of how long it was. */
function whyStopped({ reason }: AbortSignal): unknown {
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new Error(`not done after ${DEMO_MS_MAX / 1000} s`);
  return reason;
}

function msOf({ createdAt, finishedAt }: JobView): number {
  return (finishedAt ?? createdAt) - createdAt;
}

function closingTable(rows: Row[]): string {
  return table(
    ['kind', 'model', 'queued→done', 'bytes', 'file', 'what it is'],
    rows.map((row) => [row.kind, row.model, `${row.ms} ms`, String(row.bytes), shortest(row.file), row.what]),
  );
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
