// The memory of this machine as the worker uses it: how much models may fill and where, what is free there now, and where
// the models of a kind are. It knows the probed devices and what the configuration said at the start.
import { TASK_KINDS, type TaskKind } from '../../protocol/index.ts';
import { missingDevice, settingsOf } from '../../workers/pool-home.ts';
import type { EngineSettings, HostSettings } from '../../workers/types.ts';
import type { Config } from '../config/schema.ts';
import { hostSettings } from '../host-settings.ts';
import type { Logs } from '../logs/logs.ts';
import { machineMemory } from './budget.ts';
import { type DeviceWatch, openDeviceWatch } from './device-watch.ts';
import { openGpuProcesses } from './gpu-processes.ts';
import { hasMemoryOfItsOwn, type ProbedDevice } from './probe.ts';

export type Machine = {
  /** Budgets may change while the worker runs; GPUs and what pools chose of them do not. */
  settings(config: Config): HostSettings;
  readonly watch: DeviceWatch;
  /** `inRam`: the RAM of an engine's process says what its model takes. */
  placeOf(kind: TaskKind): { readonly gpu: string; readonly inRam: boolean };
  /** What a process holds of the GPUs, in bytes. Absent where the driver cannot be asked. */
  readonly gpuBytesOf: ((pid: number) => Promise<number | undefined>) | undefined;
};

export type MachineOptions = {
  readonly device: ProbedDevice;
  /** Of the start. */
  readonly config: Config;
  readonly forEngines: EngineSettings;
  readonly logs: Pick<Logs, 'warn'>;
};

export async function openMachine({ device, config, forEngines, logs }: MachineOptions): Promise<Machine> {
  const { pools } = config;
  const gpuOf = (kind: TaskKind) => settingsOf(forEngines, pools, kind).gpu;
  // A model that computes on the CPU takes nothing of the GPU.
  const watch = openDeviceWatch(TASK_KINDS.some((kind) => gpuOf(kind) !== 'cpu') ? device.source : 'unknown');
  // One by one they matter only to pools that are bound to one, and asking may take a driver a second.
  const devices = TASK_KINDS.some((kind) => pools[kind].device !== undefined) ? await watch.list() : [];
  const facts = { totalGb: device.totalGb, hasMemoryOfItsOwn: hasMemoryOfItsOwn(device), devices };
  const isNvidia = device.source === 'nvidia-proc' || device.source === 'nvidia-smi';
  const settings = (now: Config) => hostSettings(now, machineMemory({ ...facts, marginGb: now.vramMarginGb }));
  for (const kind of TASK_KINDS) {
    const missing = missingDevice(settings(config), forEngines.gpu, kind);
    if (missing) logs.warn('device', `no ${kind} jobs are taken: ${missing.why}`);
  }
  return {
    watch,
    gpuBytesOf: isNvidia ? openGpuProcesses().bytesOf : undefined,
    settings,
    placeOf(kind) {
      const gpu = gpuOf(kind);
      return { gpu, inRam: gpu === 'cpu' || !facts.hasMemoryOfItsOwn };
    },
  };
}
