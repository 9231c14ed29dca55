// A local API in this process, on a free port, with a config folder of its own and everything behind it real.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { testEngine } from '../../../fixtures/engines/descriptor.ts';
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { openRecorder } from '../../../src/supervisor/activity/recorder.ts';
import { openAdmissionHold } from '../../../src/supervisor/admission-hold.ts';
import { type LocalApi, openLocalApi } from '../../../src/supervisor/api/local-api.ts';
import { API_TIMES, type ApiTimes } from '../../../src/supervisor/api/parts.ts';
import { siblingPaths } from '../../../src/supervisor/config/paths.ts';
import { type ConfigStore, openConfigStore } from '../../../src/supervisor/config/store.ts';
import { openDaemonControl } from '../../../src/supervisor/daemon/control.ts';
import { openPauseSwitch } from '../../../src/supervisor/daemon/pause-switch.ts';
import { openTurns } from '../../../src/supervisor/jobs/turns.ts';
import { openLocalJobs } from '../../../src/supervisor/local/local-jobs.ts';
import type { LocalJobs } from '../../../src/supervisor/local/types.ts';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { openModels } from '../../../src/supervisor/models/models.ts';
import type { Models } from '../../../src/supervisor/models/types.ts';
import { openSessionStatus } from '../../../src/supervisor/session/session-status.ts';
import type { Stop } from '../../../src/supervisor/stop.ts';
import { engineSettings, openRig, type Rig, type SettingsPatch } from '../../workers/rig.ts';
import { type Answer, type Asking, ask } from './ask.ts';
import { type TestModel, writeCatalogue } from './worker-rig.ts';

export type ApiRig = AsyncDisposable & {
  readonly api: LocalApi;
  readonly config: ConfigStore;
  readonly configChanges: EventTarget;
  readonly dir: string;
  readonly host: Rig['host'];
  /** Resolves as soon as `holds` does, looked at after every change of the host. */
  readonly until: Rig['until'];
  readonly models: Models;
  readonly localJobs: LocalJobs;
  readonly openai: OpenAI;
  /** What was logged, as texts. */
  readonly logged: () => string[];
  /** With the token. */
  ask(path: string, asking?: Asking): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
};

export type ApiRigOptions = {
  readonly config?: string;
  readonly times?: Partial<ApiTimes>;
  readonly dir?: string;
  readonly models?: readonly TestModel[];
  readonly loadWaitMs?: number;
  readonly host?: SettingsPatch;
};

/** Not the real one, which takes the signals of this process for itself. */
const NEVER: Stop = {
  ...{ stage: 'running', draining: new AbortController().signal, cancelling: new AbortController().signal },
  ...{ request() {}, [Symbol.dispose]() {} },
};

export async function openApiRig(options: ApiRigOptions = {}): Promise<ApiRig> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'studio-worker-api-')));
  if (options.config !== undefined) await writeFile(join(dir, 'config.toml'), options.config, { mode: 0o600 });
  const modelsRoot = join(dir, 'models');
  await writeCatalogue(dir, modelsRoot, options.models ?? []);
  const owned = new AsyncDisposableStack();
  const config = await openConfigStore(join(dir, 'config.toml'), { create: true });
  const paths = siblingPaths(config.path);
  const logging = { level: 'error', maxSize: '1m', keep: 1, stderr: 'json', secrets: [] } as const;
  const logs = owned.use(await openLogs({ dir: paths.logs, ...logging }));
  const logged: string[] = [];
  owned.use(logs.observe({ entry: ({ message }) => logged.push(message), flush: async () => {} }));
  const engine = { modelsRoot, gpu: 'cpu' } as const;
  const rig = owned.use(await openRig({ ...options.host, extraEngines: [testEngine()], engine }));
  const { host } = rig;
  const turns = owned.use(openTurns({ host }));
  host.changes.addEventListener('change', () => turns.hostChanged());
  const enginesChanged = new EventTarget();
  const settings = engineSettings(modelsRoot, engine);
  const models = owned.use(
    await openModels({ paths, host, enginesChanged, engineSettings: settings, logs, restore: true }),
  );
  const recorder = openRecorder();
  const activity = owned.use(await openActivity({ logs, recorder, previewDir: paths.previews, modelsRoot }));
  const localJobs = openLocalJobs({ host, turns, hold: openAdmissionHold(), activity, recorder, logs });
  const daemon = openDaemonControl({
    ...{ version: '1.2.3', config, logs, stop: NEVER, activity, engines: host.engines, heartbeatMs: 5_000 },
    ...{ pauseSwitch: openPauseSwitch(), sessionStatus: openSessionStatus({ kind: 'pristine' }) },
    ...{ registry: { report: () => undefined }, device: { totalGb: 0, hasGpu: false } },
    localApiUrl: () => undefined,
  });
  const configChanges = new EventTarget();
  const loadWait = options.loadWaitMs === undefined ? {} : { loadWaitMs: options.loadWaitMs };
  const parts = {
    config,
    configChanges,
    logs,
    host,
    models,
    localJobs,
    activity,
    daemon,
    streams: { mint: () => undefined },
    version: '1.2.3',
    ...loadWait,
  };
  const api = owned.use(await openLocalApi(parts, { ...API_TIMES, ...options.times }));
  const withToken = (path: string, asking: Asking = {}): Promise<Answer> =>
    ask(api.url, path, { ...asking, headers: { authorization: `Bearer ${api.token}`, ...asking.headers } });
  return {
    ...{ api, config, configChanges, dir, host, models, localJobs, until: rig.until },
    openai: new OpenAI({ baseURL: `${api.url}/v1`, apiKey: api.token, maxRetries: 0 }),
    logged: () => logged,
    ask: withToken,
    post: (path, body) => withToken(path, { method: 'POST', body: JSON.stringify(body) }),
    async [Symbol.asyncDispose]() {
      localJobs.cancelAll('the test is over');
      await owned.disposeAsync();
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
