// Turns the operator's configuration and the probed device into what the host of the models is given. Pure.
import { TASK_KINDS, type TaskKind } from '../protocol/index.ts';
import type { HostSettings, PoolSettings } from '../workers/types.ts';
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
    keepAliveMs: config.keepAliveSecs * 1000,
  };
}
