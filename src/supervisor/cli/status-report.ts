// What `studio-worker status` says: gathered once, then shown as JSON or as aligned lines.
import type { Config, PoolConfig } from '../config/schema.ts';
import type { ConfigStore } from '../config/store.ts';
import { readRunningPid } from '../daemon-lock.ts';
import { deviceBudgetBytes } from '../device/budget.ts';
import { listDevices } from '../device/devices.ts';
import { probeDevice } from '../device/probe.ts';
import { type GpuLine, gpuLine, gpuText } from '../doctor/check-gpu.ts';
import { packageVersion } from '../machine.ts';
import { aligned } from './command.ts';
import { type LiveStatus, liveRows } from './live/live-status.ts';

export type Status = {
  readonly version: string;
  readonly configPath: string;
  readonly configExists: boolean;
  readonly apiBaseUrl: string;
  readonly registration:
    | { readonly state: 'approved'; readonly workerId: string }
    | { readonly state: 'pending'; readonly requestId: string }
    | { readonly state: 'none' };
  readonly label: string | undefined;
  /** Of the worker that runs on this config now. */
  readonly pid: number | undefined;
  readonly enabled: boolean;
  readonly vramThresholdGb: number;
  readonly memory: { readonly totalGb: number; readonly source: string; readonly budgetGb: number };
  /** One by one; empty when none was found. */
  readonly gpus: readonly GpuLine[];
  readonly pools: Readonly<Record<string, PoolConfig>>;
  readonly autoStart: boolean;
  readonly modelsRoot: string;
  readonly logsDir: string;
  readonly autoUpdate: boolean;
  readonly autoUpdateIntervalSecs: number;
};

export async function gatherStatus(store: ConfigStore): Promise<Status> {
  const config = store.current;
  const [pid, device] = await Promise.all([readRunningPid(store.dir), probeDevice()]);
  const gpus = (await listDevices(device.source)).map(gpuLine);
  const budget = deviceBudgetBytes({ totalGb: device.totalGb, marginGb: config.vramMarginGb });
  return {
    version: packageVersion(),
    configPath: store.path,
    configExists: store.exists,
    apiBaseUrl: config.apiBaseUrl,
    registration: registrationOf(config),
    label: config.label,
    pid,
    enabled: config.autoEnabled,
    vramThresholdGb: config.vramThresholdGb,
    memory: { totalGb: device.totalGb, source: device.source, budgetGb: Math.floor((budget / 1024 ** 3) * 100) / 100 },
    gpus,
    pools: config.pools,
    autoStart: config.autoStart,
    modelsRoot: config.modelsRoot,
    logsDir: config.logging.dir,
    autoUpdate: config.autoUpdateEnabled,
    autoUpdateIntervalSecs: config.autoUpdateIntervalSecs,
  };
}

function registrationOf(config: Config): Status['registration'] {
  const { workerId, authToken, registrationRequestId, registrationSecret } = config;
  if (workerId !== undefined && authToken !== undefined) return { state: 'approved', workerId };
  if (registrationRequestId !== undefined && registrationSecret !== undefined) {
    return { state: 'pending', requestId: registrationRequestId };
  }
  return { state: 'none' };
}

/** Labels and registration texts are upstream's, in its order; what is ours comes after. */
export function statusText(status: Status, live?: LiveStatus): string {
  const { memory } = status;
  return aligned([
    ['config path', status.configExists ? status.configPath : `${status.configPath} (not written yet)`],
    ['api_base_url', status.apiBaseUrl],
    ['registration', registrationText(status.registration)],
    ['vram_threshold_gb', String(status.vramThresholdGb)],
    ['auto_start', String(status.autoStart)],
    ['models_root', status.modelsRoot],
    ['auto_update', String(status.autoUpdate)],
    ['update_interval', `${status.autoUpdateIntervalSecs}s`],
    ...(status.label === undefined ? [] : [['label', status.label] as const]),
    ['running', status.pid === undefined ? 'no' : `yes (pid ${status.pid})`],
    ...(live === undefined ? [] : liveRows(live)),
    ['enabled', status.enabled ? 'yes' : 'no (no new jobs are taken)'],
    ['memory', memory.totalGb > 0 ? `${memory.totalGb} GiB (${memory.source})` : 'no GPU found, models use the RAM'],
    ...status.gpus.map((gpu) => ['gpu', gpuText(gpu)] as const),
    ['model budget', `${memory.budgetGb} GiB`],
    ...Object.entries(status.pools).map(([kind, pool]) => [`pool ${kind}`, poolText(pool)] as const),
    ['logs', status.logsDir],
    ['version', status.version],
  ]);
}

function registrationText(registration: Status['registration']): string {
  switch (registration.state) {
    case 'approved':
      return `approved as ${registration.workerId}`;
    case 'pending':
      return `pending operator approval (request ${registration.requestId})`;
    case 'none':
      return 'not registered (will auto-register on next launch)';
  }
}

function poolText({ vramGb, threads, concurrency, gpu, device }: PoolConfig): string {
  const own = [gpu, device === undefined ? undefined : `GPU ${device}`].filter((part) => part !== undefined);
  return [`${vramGb} GiB, threads ${threads}, concurrency ${concurrency}`, ...own].join(', ');
}
