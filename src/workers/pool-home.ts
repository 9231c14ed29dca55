// What the settings of a pool mean: what its engines are told, and on whose memory its models draw. Pure.
import type { EngineDescriptor, EngineSettings, GpuChoice } from '../engines/engine.ts';
import { TASK_KINDS, type TaskKind } from '../protocol/index.ts';
import type { Budgets, Home } from './ledger.ts';
import type { HostSettings, PoolSettings, Verdict } from './types.ts';

/** What operators choose for a pool apart from the others. */
export type PoolChoices = Readonly<Partial<Record<TaskKind, Pick<PoolSettings, 'gpu' | 'device'>>>>;

export function settingsOf(settings: EngineSettings, pools: PoolChoices, kind: TaskKind): EngineSettings {
  const { gpu = settings.gpu, device } = pools[kind] ?? {};
  // On the CPU there is no GPU to see.
  return { ...settings, gpu, ...(device !== undefined && gpu !== 'cpu' && { device }) };
}

/** A probe is asked once for all kinds of its engine: as the first of them would run it. */
export function probeSettingsOf(
  settings: EngineSettings,
  pools: PoolChoices,
  engine: EngineDescriptor,
): EngineSettings {
  const [kind] = engine.kinds;
  return kind === undefined ? settings : settingsOf(settings, pools, kind);
}

/** The budgets of now, and the homes of when the host opened: loaded models stay where they are. */
export function budgetsOf(settings: HostSettings, opening: HostSettings, gpu: GpuChoice): Budgets {
  const pools = TASK_KINDS.map((kind) => [kind, settings.pools[kind].vramBytes]);
  const homes = TASK_KINDS.flatMap((kind): [TaskKind, Home][] => {
    const home = homeOf(settings, opening, gpu, kind);
    return home ? [[kind, home]] : [];
  });
  return {
    deviceBytes: settings.deviceBytes,
    pools: Object.fromEntries(pools) as Budgets['pools'],
    homes: Object.fromEntries(homes) as Budgets['homes'] & object,
  };
}

function homeOf(settings: HostSettings, opening: HostSettings, gpu: GpuChoice, kind: TaskKind): Home | undefined {
  const pool = opening.pools[kind];
  if ((pool.gpu ?? gpu) === 'cpu') {
    return settings.ramBytes === undefined ? undefined : { name: 'ram', bytes: settings.ramBytes };
  }
  const bytes = settings.devices?.find(({ index }) => index === pool.device)?.bytes;
  return pool.device === undefined || bytes === undefined ? undefined : { name: pool.device, bytes };
}

/** Nothing falls back to another GPU. Where the GPUs are not known one by one, nothing can be said. */
export function missingDevice(
  { devices = [], pools }: HostSettings,
  gpu: GpuChoice,
  kind: TaskKind,
): Extract<Verdict, { kind: 'never' }> | undefined {
  const pool = pools[kind];
  if (pool.device === undefined || (pool.gpu ?? gpu) === 'cpu' || devices.length === 0) return undefined;
  if (devices.some(({ index }) => index === pool.device)) return undefined;
  const have = devices.map(({ index }) => index).join(', ');
  const why = `[pools.${kind}] device = ${pool.device}, and this machine has no such GPU; it has: ${have}`;
  return { kind: 'never', code: 'ENGINE_UNAVAILABLE', why };
}
