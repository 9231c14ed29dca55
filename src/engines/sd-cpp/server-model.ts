// A model kept warm in an sd-server. The server dies with a job that crashes, and is ended to stop a job that runs; the
// next job starts it again, and jobs that only waited in its queue are given to the new one.
import { readFile } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import type { EngineResult, LoadedModel, RunContext } from '../engine.ts';
import { type InputPaths, serverArgs } from './args.ts';
import { endFailure, sideFileFailure } from './errors.ts';
import type { OutputEvent } from './output-parser.ts';
import { type InputData, imageRequest, type JobRequest, videoRequest } from './request.ts';
import { residentBytes } from './resident-bytes.ts';
import { finish } from './result.ts';
import { openRunProgress } from './run-progress.ts';
import { openServer, type Server } from './server.ts';
import { openServerJobs, ServerGone, type ServerJobs } from './server-jobs.ts';
import type { Setup } from './setup.ts';
import { binaryFormat } from './video-format.ts';
import { prepare, type Work } from './work.ts';

type Live = { readonly server: Server; readonly jobs: ServerJobs };
type Starting = { readonly live: Promise<Live>; readonly stop: AbortController; waiting: number };

/** A job that waits in the queue survives so many deaths of its server, caused by jobs before it. */
const STARTS_A_JOB_MAX = 5;

export type ServerModelOptions = {
  readonly signal: AbortSignal;
  /** Hears everything that the server prints while it loads. */
  heard(event: OutputEvent): void;
};

export async function openServerModel(setup: Setup, { signal, heard }: ServerModelOptions): Promise<LoadedModel> {
  let live: Live | undefined;
  let starting: Starting | undefined;
  let disposed = false;
  /** Told of what a starting server prints, so that nobody takes those who wait for it for stuck. */
  const listeners = new Set<(event: OutputEvent) => void>();

  async function start(stop: AbortSignal): Promise<Live> {
    const { binary, files, lora, runtime, dir } = setup;
    let jobs: ServerJobs | undefined;
    const server = await openServer({
      ...{ file: binary.file, env: binary.env, dir, loraDir: lora.dir, mainPath: files.mainPath, signal: stop },
      args: (port) => serverArgs({ modelArgs: files.args, loraDir: lora.dir, port, runtime }),
      log: (level, message) => (jobs ?? setup).log(level, message),
      heard(event) {
        jobs?.heard(event);
        for (const listener of listeners) listener(event);
      },
    });
    const sideFile = sideFileFailure(server.lines);
    if (sideFile) {
      await server.stop();
      throw sideFile;
    }
    jobs = openServerJobs(server, setup.log);
    return { server, jobs };
  }

  /** Several jobs wait for one start; it is given up when the last of them leaves. */
  async function ensure(stop: AbortSignal, feed: (event: OutputEvent) => void): Promise<Live> {
    stop.throwIfAborted();
    if (live && !live.server.hasExited()) return live;
    if (live) setup.log('warn', 'sd-server has ended; starting it again');
    live = undefined;
    // A start that was given up still holds memory until its process has ended.
    while (starting?.stop.signal.aborted) await starting.live.catch(() => {});
    stop.throwIfAborted();
    if (disposed) throw new Failure('CANCELLED', 'the model has been unloaded');
    starting ??= begin();
    const own = starting;
    own.waiting += 1;
    listeners.add(feed);
    const left = Promise.withResolvers<never>();
    const leave = () => {
      own.waiting -= 1;
      if (own.waiting === 0) own.stop.abort(stop.reason);
      left.reject(stop.reason);
    };
    stop.addEventListener('abort', leave);
    try {
      const started = await Promise.race([own.live, left.promise]);
      own.waiting -= 1;
      return started;
    } finally {
      stop.removeEventListener('abort', leave);
      listeners.delete(feed);
    }
  }

  function begin(): Starting {
    const stop = new AbortController();
    const begun = start(stop.signal);
    const own: Starting = { live: begun, stop, waiting: 0 };
    begun
      .then((started) => {
        live = started;
      })
      .catch(() => {})
      .finally(() => {
        if (starting === own) starting = undefined;
      });
    return own;
  }

  async function generate(request: JobRequest, context: RunContext): Promise<unknown> {
    const progress = openRunProgress(setup.files.samplingPasses);
    const waits = () => context.progress({ ratio: 0 });
    const hooks = {
      ...{ signal: context.signal, waits, log: context.log },
      heard(event: OutputEvent) {
        const news = progress(event);
        if (news) context.progress(news);
      },
    };
    for (let starts = 1; ; starts += 1) {
      const { server, jobs } = await ensure(context.signal, waits);
      checkMode(request, server);
      try {
        return await jobs.run(withLoras(request, server), hooks);
      } catch (thrown) {
        if (!(thrown instanceof ServerGone)) throw thrown;
        context.signal.throwIfAborted();
        const exit = await server.exited;
        if (!thrown.innocent || starts === STARTS_A_JOB_MAX) {
          throw endFailure({ name: 'sd-server', exit, lines: server.lines });
        }
        context.log('warn', 'sd-server ended before this job began; starting it again');
      }
    }
  }

  const first = await ensure(signal, heard).catch(async (thrown) => {
    // Nothing may be left of a load that was given up.
    await starting?.live.catch(() => {});
    throw thrown;
  });
  const memoryBytes = setup.isCpu ? await residentBytes(first.server.pid) : undefined;
  return {
    ...(memoryBytes !== undefined && { memoryBytes }),
    // Of the server that runs now: it may have been started again.
    get holderPid() {
      return live?.server.pid;
    },
    async run(task, context): Promise<EngineResult> {
      const work = await prepare(task, setup.runtime.defaults, context);
      const result = await generate(await requestFor(work), context);
      return finish(fileIn(result), work, context);
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      starting?.stop.abort(new Failure('CANCELLED', 'the model is being unloaded'));
      await starting?.live.catch(() => {});
      await live?.server.stop();
    },
  };

  /** The names under which the server lists our LoRA files; those that it does not list it would refuse. */
  function withLoras(request: JobRequest, server: Server): JobRequest {
    const lora = setup.lora.files.map((file) => ({
      path: server.capabilities.loras[file] ?? file,
      multiplier: 1,
      is_high_noise: false,
    }));
    return { ...request, body: { ...request.body, lora } };
  }
}

function checkMode({ mode }: JobRequest, { capabilities }: Server): void {
  if (capabilities.modes.length === 0 || capabilities.modes.includes(mode)) return;
  const [makes, asked] = mode === 'img_gen' ? ['videos', 'images'] : ['images', 'videos'];
  throw new Failure('MODEL_INVALID', `this model makes ${makes}, not ${asked}`);
}

async function requestFor(work: Work): Promise<JobRequest> {
  const inputs = await readInputs(work.inputs);
  if (work.kind === 'image') return imageRequest(work.generation, inputs);
  return videoRequest(work.generation, inputs, binaryFormat(work.ext));
}

async function readInputs({ init, ref, mask }: InputPaths): Promise<InputData> {
  const base64 = (path: string) => readFile(path, 'base64');
  return {
    ...(init !== undefined && { init: await base64(init) }),
    ...(ref !== undefined && { ref: await base64(ref) }),
    ...(mask !== undefined && { mask: await base64(mask) }),
  };
}

function fileIn(result: unknown): Uint8Array {
  const { images, b64_json } = (result ?? {}) as { images?: { b64_json?: unknown }[]; b64_json?: unknown };
  const data = images?.[0]?.b64_json ?? b64_json;
  if (typeof data === 'string' && data !== '') return Buffer.from(data, 'base64');
  throw new Failure('ENGINE_FAILED', 'sd-server says that the job is completed, and sent no file');
}
