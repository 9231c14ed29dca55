// Runs the studio's Worker on this machine: workerd under Miniflare, listening on a TCP port, its state in a folder or in
// memory.
import path from 'node:path';
import type { Readable } from 'node:stream';
import { Log, LogLevel, Miniflare } from 'miniflare';
import type { Limits } from '../worker/limits.ts';
import { checkAddress } from './check-address.ts';
import { makeFolder } from './make-folder.ts';
import { type Database, migrate } from './migrate.ts';
import { openRuntimeGuard } from './runtime-guard.ts';
import { takeStateLock } from './state-lock.ts';
import { loadStudioFiles } from './studio-files.ts';

export type StudioOptions = {
  /** Where jobs, workers and outputs are kept; absent: in memory, gone with the studio. */
  stateDir?: string | undefined;
  /** 0, the default, takes a free one. */
  port?: number | undefined;
  /** Default 127.0.0.1: reachable from this machine only. */
  host?: string | undefined;
  adminToken: string;
  /** Some of the studio's limits; what is absent keeps its default. */
  limits?: Partial<Limits> | undefined;
  /** Where the runtime's own output goes; default: nowhere. */
  onLog?: ((line: string) => void) | undefined;
};

export interface EmbeddedStudio extends AsyncDisposable {
  /** e.g. `http://127.0.0.1:8787`, without a slash at its end. */
  readonly url: string;
  readonly adminToken: string;
  /** Throws the Durable Object out of memory as the platform may at any time; its sockets live on. For tests. */
  evict(): Promise<void>;
}

/** The name under which Miniflare knows the Worker. */
const WORKER_NAME = 'studio';
const COMPATIBILITY_DATE = '2026-07-01';

export async function openStudio(options: StudioOptions): Promise<EmbeddedStudio> {
  const files = await loadStudioFiles();
  const { stateDir, host = '127.0.0.1', port = 0, adminToken } = options;
  await checkAddress(host, port);
  if (stateDir !== undefined) await makeFolder(stateDir, 'state folder', 0o700);
  const lock = stateDir === undefined ? undefined : await takeStateLock(stateDir);
  const guard = openRuntimeGuard();
  // Until it is up its output is about why it cannot start, which Miniflare's own error says better.
  let isUp = false;
  const miniflare = new Miniflare({
    name: WORKER_NAME,
    modules: true,
    scriptPath: files.scriptPath,
    modulesRoot: path.dirname(files.scriptPath),
    compatibilityDate: COMPATIBILITY_DATE,
    host,
    port,
    bindings: { ADMIN_TOKEN: adminToken, LIMITS: JSON.stringify(options.limits ?? {}) },
    durableObjects: { CONNECTIONS: { className: 'WorkerConnections', useSQLite: true } },
    d1Databases: { DB: 'studio' },
    r2Buckets: { OUTPUTS: 'studio-outputs' },
    durableObjectsPersist: folder(stateDir, 'connections'),
    d1Persist: folder(stateDir, 'database'),
    r2Persist: folder(stateDir, 'outputs'),
    // Else Miniflare asks the network where it is.
    cf: false,
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      for (const stream of [stdout, stderr])
        stream.on('data', (chunk: Buffer) => isUp && options.onLog?.(String(chunk).trimEnd()));
    },
  });

  guard.takeSignals();

  async function close(): Promise<void> {
    try {
      await miniflare.dispose();
    } finally {
      guard[Symbol.dispose]();
      await lock?.[Symbol.asyncDispose]();
    }
  }

  try {
    // `URL` leaves out the port that is http's own.
    const listening = (await miniflare.ready).port || '80';
    isUp = true;
    guard.watch();
    // Miniflare's own type of the database needs the platform's types, which clash with Node's.
    await migrate((await miniflare.getD1Database('DB')) as unknown as Database, files.migrations);
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${listening}`;
    // Wakes the Durable Object: claims that outlived a restart run out from now on, not from the first request.
    const health = await fetch(`${url}/graphics/api/healthz`);
    if (!health.ok) throw new Error(`the studio answers ${health.status}: ${await health.text()}`);
    return {
      url,
      adminToken,
      evict: () =>
        miniflare.unsafeEvictDurableObject(WORKER_NAME, 'WorkerConnections', {
          name: 'studio',
          webSockets: 'hibernate',
        }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function folder(stateDir: string | undefined, name: string): string | false {
  return stateDir === undefined ? false : path.join(stateDir, name);
}
