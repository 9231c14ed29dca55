// One sd-server with one model: started on a port of its own, ready when it answers for that model, ended on demand.
//
//   starting ─answers with our model→ ready ─exit→ gone
//      ├─exit 0 (the port was taken), or another's answer─→ another port, at most three times
//      └─any other exit─→ failed
//
// Its "listening on" line is printed before it has bound the port and proves nothing. Two servers can share one port,
// and the kernel then spreads the connections over both; so the model's path and a mark of ours are looked for in what
// answers, several times.
import { randomUUID } from 'node:crypto';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../protocol/failure.ts';
import type { EngineLogLevel } from '../engine.ts';
import { atMost } from './at-most.ts';
import { endFailure } from './errors.ts';
import { freePort } from './free-port.ts';
import { openOutputLog } from './output-log.ts';
import type { OutputEvent } from './output-parser.ts';
import { type Exit, openProgram } from './program.ts';
import { getJson } from './server-http.ts';

export type Capabilities = {
  readonly modes: readonly string[];
  /** LoRA files as the server wants them to be named, by file name. */
  readonly loras: Readonly<Record<string, string>>;
};

export type Server = {
  readonly url: string;
  readonly pid: number;
  readonly capabilities: Capabilities;
  readonly exited: Promise<Exit>;
  /** What it said last: warnings and errors. */
  readonly lines: readonly string[];
  hasExited(): boolean;
  stop(): Promise<void>;
};

export type ServerOptions = {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** A private folder: the server's current folder and LoRA files lie below it. */
  readonly dir: string;
  readonly loraDir: string;
  readonly mainPath: string;
  args(port: number): string[];
  readonly signal: AbortSignal;
  log(level: EngineLogLevel, message: string): void;
  heard(event: OutputEvent): void;
};

const ATTEMPTS = 3;
/** Ready after 20 ms for a tiny model and after minutes for a large one. */
const PROBE_MS = { first: 20, most: 200 } as const;
const LAST_WORDS_MS = 500;
/** Each connection goes to a server of the kernel's choice: four in a row miss a second one once in sixteen times. */
const PROBES = 4;

export async function openServer(options: ServerOptions): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    const server = await start(options, await freePort());
    if (server) return server;
    if (attempt < ATTEMPTS) options.log('warn', 'the port of sd-server was taken by another program; trying another');
    else throw new Failure('ENGINE_FAILED', `sd-server found its port taken ${ATTEMPTS} times in a row`);
  }
}

/** Undefined: the port was not ours after all. */
async function start(options: ServerOptions, port: number): Promise<Server | undefined> {
  const { file, env, dir, loraDir, signal, log, heard } = options;
  const cwd = join(dir, 'cwd');
  await mkdir(cwd, { recursive: true, mode: 0o700 });
  const mark = `mark-${randomUUID()}`;
  await writeFile(join(loraDir, `${mark}.safetensors`), '');
  const output = openOutputLog(log, { forgetful: true });
  const listening = Promise.withResolvers<void>();
  const program = await openProgram({
    ...{ file, cwd, env, args: options.args(port) },
    heard: (stream, text) => {
      output.push(stream, text, (event) => {
        if (event.kind === 'line' && event.text.startsWith('listening on')) listening.resolve();
        heard(event);
      });
    },
  });
  let exit: Exit | undefined;
  const exited = program.exited.then((how) => {
    exit = how;
    return how;
  });
  const server: Omit<Server, 'capabilities'> = {
    ...{ url: `http://127.0.0.1:${port}`, pid: program.pid, exited, lines: output.lines },
    hasExited: () => exit !== undefined,
    stop: async () => void (await program.stop()),
  };
  try {
    // The server may say where a link leads.
    const paths = [options.mainPath, await realpath(options.mainPath)];
    const capabilities = await untilReady(server, { mark, paths, signal });
    // What was printed before readiness may still be on its way here, and a warning among it matters.
    if (capabilities) await atMost(LAST_WORDS_MS, listening.promise);
    return capabilities && { ...server, capabilities };
  } catch (thrown) {
    await program.stop();
    throw thrown;
  }
}

type Expected = { readonly mark: string; readonly paths: readonly string[]; readonly signal: AbortSignal };

async function untilReady(server: Omit<Server, 'capabilities'>, expected: Expected): Promise<Capabilities | undefined> {
  const { signal } = expected;
  for (let delayMs: number = PROBE_MS.first; ; delayMs = Math.min(PROBE_MS.most, delayMs * 1.5)) {
    const answered = await answers(server.url, signal);
    signal.throwIfAborted();
    if (server.hasExited()) {
      const exit = await server.exited;
      if (exit.code === 0) return undefined;
      throw endFailure({ name: 'sd-server', exit, lines: server.lines });
    }
    if (answered) return confirm(server, expected);
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  return getJson(`${url}/v1/models`, signal).then(
    ({ status }) => status === 200,
    () => false,
  );
}

async function confirm(server: Omit<Server, 'capabilities'>, expected: Expected): Promise<Capabilities | undefined> {
  let seen: Capabilities | undefined;
  for (let probe = 0; probe < PROBES; probe += 1) {
    const answer = await getJson(`${server.url}/sdcpp/v1/capabilities`, expected.signal).catch(() => undefined);
    seen = answer?.status === 200 ? readCapabilities(answer.json, expected) : undefined;
    if (seen) continue;
    expected.signal.throwIfAborted();
    await server.stop();
    return undefined;
  }
  return seen;
}

/** Undefined: these are another server's. */
export function readCapabilities(json: unknown, { mark, paths }: Omit<Expected, 'signal'>): Capabilities | undefined {
  const { model, supported_modes, loras } = (json ?? {}) as {
    model?: { path?: unknown };
    supported_modes?: unknown;
    loras?: unknown;
  };
  if (typeof model?.path !== 'string' || !paths.includes(model.path)) return undefined;
  const listed = (Array.isArray(loras) ? loras : []).flatMap(({ name, path }: { name?: unknown; path?: unknown }) =>
    typeof path === 'string' ? [{ name: String(name ?? ''), path }] : [],
  );
  // A server that lists files, and not ours among them, looks into another folder.
  if (listed.length > 0 && !listed.some(({ path }) => path.includes(mark))) return undefined;
  return {
    modes: Array.isArray(supported_modes) ? supported_modes.map(String) : [],
    loras: Object.fromEntries(listed.map(({ path }) => [path.split(/[\\/]/).at(-1) ?? path, path])),
  };
}
