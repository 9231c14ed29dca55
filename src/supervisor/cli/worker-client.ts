// How commands talk to the worker that runs on their configuration: through its local API, which `local-api.json` beside
// the configuration says how to reach. Without a running worker there is nobody to talk to, and commands use the files.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { siblingPaths } from '../config/paths.ts';
import { codeOf } from '../config/write-file.ts';
import { readRunningPid } from '../daemon-lock.ts';

/** Longer than any route takes by itself; what a person waits for is asked again. */
const TIMEOUT_MS = 30_000;
/** Under its lock the worker writes its file within a moment of its start. */
const STARTING_MS_MAX = 3_000;
const STARTING_EVERY_MS = 100;

export type AskOptions = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** 0: for as long as it takes. Default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
};

export interface WorkerClient {
  readonly pid: number;
  readonly url: string;
  /** The answer as it is, whatever its status. Rejects with a message for people when the worker cannot be reached. */
  ask(path: string, options?: AskOptions): Promise<Response>;
  /** The answer's JSON. Rejects with a `WorkerRefusal` when the status is not a good one. */
  json<T>(path: string, options?: AskOptions): Promise<T>;
}

/** The worker answered, and the answer was no. */
export class WorkerRefusal extends Error {
  static {
    WorkerRefusal.prototype.name = 'WorkerRefusal';
  }
  readonly status: number;
  /** The `error` of a JSON answer, such as `unknown_model`. */
  readonly code: string | undefined;

  constructor(status: number, code: string | undefined, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Undefined when no worker runs on this configuration. Rejects when one does that cannot be reached. */
export async function findWorker(configPath: string): Promise<WorkerClient | undefined> {
  const { dir, localApi } = siblingPaths(path.resolve(configPath));
  const pid = await readRunningPid(dir);
  if (pid === undefined) return undefined;
  const { url, token } = await discover(localApi, dir, pid);
  const ask = (where: string, options: AskOptions = {}): Promise<Response> => send({ pid, url, token }, where, options);
  return {
    ...{ pid, url, ask },
    async json<T>(where: string, options?: AskOptions) {
      const response = await ask(where, options);
      if (!response.ok) throw await refusalOf(response);
      return (await response.json()) as T;
    },
  };
}

/** For commands that the files cannot stand in for. */
export async function requireWorker(configPath: string): Promise<WorkerClient> {
  const worker = await findWorker(configPath);
  if (worker) return worker;
  throw new Error(
    `no worker runs on ${path.resolve(configPath)}: start it with \`studio-worker run\`, or name its configuration with --config`,
  );
}

type Known = { readonly pid: number; readonly url: string; readonly token: string };

async function send({ pid, url, token }: Known, where: string, options: AskOptions): Promise<Response> {
  const { method = 'GET', body, timeoutMs = TIMEOUT_MS, signal, headers } = options;
  const signals = [signal, timeoutMs > 0 ? AbortSignal.timeout(timeoutMs) : undefined].filter(
    (one) => one !== undefined,
  );
  try {
    return await fetch(new URL(where, url), {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any(signals),
      // The token is for this worker alone.
      redirect: 'error',
    });
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    const why =
      (cause as { name?: unknown }).name === 'TimeoutError' ? `no answer in ${timeoutMs / 1000} s` : reasonOf(cause);
    throw new Error(`the worker (pid ${pid}) cannot be reached at ${url}: ${why}`, { cause });
  }
}

/** What `fetch` says is in its cause. */
function reasonOf(thrown: unknown): string {
  const { cause } = thrown as { cause?: unknown };
  if (cause !== undefined && codeOf(cause) !== String(cause)) return codeOf(cause);
  return thrown instanceof Error ? thrown.message : String(thrown);
}

async function discover(file: string, dir: string, pid: number): Promise<{ url: string; token: string }> {
  for (let waitedMs = 0; ; waitedMs += STARTING_EVERY_MS) {
    const found = await readDiscovery(file);
    if (found) return found;
    const isGone = (await readRunningPid(dir)) === undefined;
    if (waitedMs >= STARTING_MS_MAX || isGone) {
      throw new Error(
        `the worker (pid ${pid}) runs, but there is no readable ${file} that says how to reach it; see its log`,
      );
    }
    await new Promise((passed) => setTimeout(passed, STARTING_EVERY_MS));
  }
}

/** Undefined for anything but an address of this machine with a token: it decides where the token is sent. */
async function readDiscovery(file: string): Promise<{ url: string; token: string } | undefined> {
  try {
    const { url, token } = JSON.parse(await readFile(file, 'utf8')) as { url?: unknown; token?: unknown };
    if (typeof url !== 'string' || typeof token !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(token)) return undefined;
    const { protocol, hostname } = new URL(url);
    const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
    return protocol === 'http:' && isHere ? { url, token } : undefined;
  } catch {
    return undefined;
  }
}

/** Refusals are JSON with `error` and `message`, or with both in an `error` as OpenAI has it, or plain text. */
export async function refusalOf(response: Response): Promise<WorkerRefusal> {
  const text = (await response.text().catch(() => '')).slice(0, 2000);
  try {
    const refusal = JSON.parse(text) as { error?: unknown; message?: unknown };
    const inner = refusal.error as { code?: unknown; message?: unknown } | string | null | undefined;
    const { code: error, message } =
      typeof inner === 'object' && inner ? inner : { code: inner, message: refusal.message };
    const code = typeof error === 'string' ? error : undefined;
    if (typeof message === 'string') return new WorkerRefusal(response.status, code, message);
  } catch {}
  return new WorkerRefusal(response.status, undefined, text.trim() || `the worker answered ${response.status}`);
}
