// Turns the operator's configuration and the probed device into what the host of the models is given. Pure.
import { TASK_KINDS, type TaskKind } from '../protocol/index.ts';
import type { EngineSettings, HostSettings, PoolSettings } from '../workers/types.ts';
import { isLoopback } from './config/base-url.ts';
import type { Config } from './config/schema.ts';

const GIB = 1024 ** 3;

/** `deviceBytes`: what models may fill together, the safety margin already taken off. */
export function hostSettings(config: Config, deviceBytes: number): HostSettings {
  const pools = TASK_KINDS.map((kind): [TaskKind, PoolSettings] => {
    const { vramGb, threads, concurrency } = config.pools[kind];
    return [kind, { vramBytes: Math.floor(vramGb * GIB), threads, concurrency }];
  });
  return {
    pools: Object.fromEntries(pools) as Record<TaskKind, PoolSettings>,
    deviceBytes,
    marginBytes: Math.floor(config.vramMarginGb * GIB),
    keepAliveMs: config.keepAliveSecs * 1000,
  };
}

export function engineSettings({ gpu, cpuThreads, apiBaseUrl, allowedHosts, modelsRoot }: Config): EngineSettings {
  // A studio on this machine may name addresses of this machine; one elsewhere must not reach into it.
  const allowLoopback = isLoopback(new URL(apiBaseUrl).hostname);
  return { gpu, cpuThreads, network: { allowLoopback, allowedHosts }, modelsRoot };
}
