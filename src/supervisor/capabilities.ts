// What this worker says of itself, built anew for every heartbeat from the live configuration. Pure.
import { FEATURES, TASK_KINDS, type TaskKind, type WorkerCapabilities } from '../protocol/index.ts';
import type { EngineDescriptor } from '../workers/types.ts';

export type CapabilityFacts = {
  readonly machineName: string;
  readonly username: string;
  readonly version: string;
  readonly label: string | undefined;
  /** GiB; 0 when unknown. */
  readonly vramTotalGb: number;
  readonly vramThresholdGb: number;
  /** Whether jobs are taken now: not paused and not on the way out. */
  readonly takesJobs: boolean;
  readonly autoStart: boolean;
  readonly autoUpdate: boolean;
  readonly startMinimised: boolean;
  readonly onlyWhenIdle: boolean;
  /** Undefined while it is not known, or not looked at. */
  readonly userPresence: 'idle' | 'active' | undefined;
  readonly engines: readonly EngineDescriptor[];
  readonly slots: Partial<Record<TaskKind, number>>;
};

export function buildCapabilities(facts: CapabilityFacts): WorkerCapabilities {
  const supportedModelsPerKind: Partial<Record<TaskKind, string[]>> = {};
  for (const kind of TASK_KINDS) {
    const serving = facts.engines.filter((engine) => engine.kinds.includes(kind));
    if (serving.length === 0) continue;
    supportedModelsPerKind[kind] = [...new Set(serving.flatMap((engine) => engine.models[kind] ?? []))];
  }
  return {
    machineName: facts.machineName,
    username: facts.username,
    agentVersion: facts.version,
    // The contract has room for one engine name; a worker with several has always said this.
    engine: 'multi',
    vramTotalGb: facts.vramTotalGb,
    vramThresholdGb: facts.vramThresholdGb,
    autoEnabled: facts.takesJobs,
    autoStart: facts.autoStart,
    autoUpdate: facts.autoUpdate,
    startMinimised: facts.startMinimised,
    onlyWhenIdle: facts.onlyWhenIdle,
    ...(facts.userPresence === undefined ? {} : { userPresence: facts.userPresence }),
    supportedModels: [...new Set(Object.values(supportedModelsPerKind).flat())].sort(),
    taskKinds: TASK_KINDS.filter((kind) => supportedModelsPerKind[kind] !== undefined),
    supportedModelsPerKind,
    ...(facts.label === undefined ? {} : { label: facts.label }),
    features: [...FEATURES],
    slots: facts.slots,
  };
}
