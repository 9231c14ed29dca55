// A local API in this process, on a free port, with a config folder of its own.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalApi, openLocalApi } from '../../../src/supervisor/api/local-api.ts';
import { API_TIMES, type ApiTimes } from '../../../src/supervisor/api/parts.ts';
import { type ConfigStore, openConfigStore } from '../../../src/supervisor/config/store.ts';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { openRig } from '../../workers/rig.ts';

export type ApiRig = AsyncDisposable & {
  readonly api: LocalApi;
  readonly config: ConfigStore;
  readonly configChanges: EventTarget;
  readonly dir: string;
  /** What was logged, as texts. */
  readonly logged: () => string[];
};

export type ApiRigOptions = { readonly config?: string; readonly times?: Partial<ApiTimes>; readonly dir?: string };

export async function openApiRig(options: ApiRigOptions = {}): Promise<ApiRig> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'studio-worker-api-')));
  if (options.config !== undefined) await writeFile(join(dir, 'config.toml'), options.config, { mode: 0o600 });
  const config = await openConfigStore(join(dir, 'config.toml'), { create: true });
  const logs = await openLogs({
    dir: join(dir, 'logs'),
    level: 'error',
    maxSize: '1m',
    keep: 1,
    stderr: 'json',
    secrets: [],
  });
  const rig = await openRig();
  const configChanges = new EventTarget();
  const logged: string[] = [];
  const observed = logs.observe({ entry: ({ message }) => logged.push(message), flush: async () => {} });
  const api = await openLocalApi(
    {
      config,
      configChanges,
      logs,
      host: rig.host,
      version: '1.2.3',
      daemon: { status: () => ({ gpuRuntime: null }) },
    } as never,
    { ...API_TIMES, ...options.times },
  );
  return {
    ...{ api, config, configChanges, dir },
    logged: () => logged,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      observed[Symbol.dispose]();
      await rig[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
