// Turns the operator's configuration and the probed device into what the host of the models is given. Pure.
import { TASK_KINDS, type TaskKind } from '../protocol/index.ts';
import type { PoolChoices } from '../workers/pool-home.ts';
import type { EngineSettings, HostSettings, PoolSettings } from '../workers/types.ts';
import { isLoopback } from './config/base-url.ts';
import type { Config } from './config/schema.ts';

const GIB = 1024 ** 3;

/** What models may fill, in bytes, the safety margin already taken off. */
export type MachineMemory = Pick<HostSettings, 'deviceBytes' | 'devices' | 'ramBytes'>;

export function hostSettings(config: Config, machine: MachineMemory): HostSettings {
  const pools = TASK_KINDS.map((kind): [TaskKind, PoolSettings] => {
    const { vramGb, ...rest } = config.pools[kind];
    return [kind, { vramBytes: Math.floor(vramGb * GIB), ...rest }];
  });
  return {
    pools: Object.fromEntries(pools) as Record<TaskKind, PoolSettings>,
    ...machine,
    marginBytes: Math.floor(config.vramMarginGb * GIB),
    keepAliveMs: config.keepAliveSecs * 1000,
  };
}

export function engineSettings({ gpu, cpuThreads, apiBaseUrl, allowedHosts, modelsRoot }: Config): EngineSettings {
  // A studio on this machine may name addresses of this machine; one elsewhere must not reach into it.
  const allowLoopback = isLoopback(new URL(apiBaseUrl).hostname);
  return { gpu, cpuThreads, network: { allowLoopback, allowedHosts }, modelsRoot };
}

/** What stands in the pools besides budgets: read at the start, as what engines are told. */
export function poolChoices({ pools }: Pick<Config, 'pools'>): PoolChoices {
  return Object.fromEntries(TASK_KINDS.map((kind) => [kind, { gpu: pools[kind].gpu, device: pools[kind].device }]));
}
