// What `studio-worker doctor` finds out, as data: printed as it is with --json, and as text by report-text.ts. Types, and
// the one judgement: can this machine work? Holds no secret.
import type { ProbeReport } from '../../workers/types.ts';
import type { DiskCheck } from './check-disk.ts';
import type { GpuCheck } from './check-gpu.ts';
import type { PortCheck } from './check-ports.ts';
import type { StudioCheck } from './check-studio.ts';

export type ConfigCheck = {
  readonly path: string;
  /** False: the first `run` writes it. */
  readonly exists: boolean;
  /** What is wrong with the file; the rest of the report then speaks of the defaults. */
  readonly problem?: string;
  readonly warnings: readonly string[];
};

export type EngineCheck = ProbeReport & { readonly id: string; readonly kinds: readonly string[] };

export type MemoryCheck = {
  readonly ramGb: number;
  readonly freeRamGb: number;
  /** What models may fill together. */
  readonly budgetGb: number;
};

export type DoctorReport = {
  readonly canWork: boolean;
  /** Why it cannot, one line each; empty when it can. */
  readonly problems: readonly string[];
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  /** Of the worker that runs on this configuration now. */
  readonly pid?: number;
  readonly config: ConfigCheck;
  readonly engines: readonly EngineCheck[];
  readonly gpu: GpuCheck;
  readonly memory: MemoryCheck;
  readonly disks: readonly DiskCheck[];
  readonly ports: readonly PortCheck[];
  /** Absent when the configuration does not say which. */
  readonly studio?: StudioCheck;
  readonly service: { readonly manager: string; readonly hint: string };
};

/**
 * A missing optional engine, a busy port or a studio that is away for the moment are no reason: the worker copes with
 * each of them by itself.
 */
export function problemsOf(found: Pick<DoctorReport, 'config' | 'engines' | 'disks'>): string[] {
  const problems: string[] = [];
  if (found.config.problem !== undefined) problems.push(`the configuration cannot be used: ${found.config.problem}`);
  // The synthetic engine makes placeholders for those who try a studio out; it is no work.
  if (!found.engines.some(({ id, ready }) => ready && id !== 'synthetic')) {
    problems.push('no engine is ready besides the synthetic one');
  }
  for (const { what, path, problem } of found.disks) {
    if (problem !== undefined) problems.push(`${what} ${path}: ${problem}`);
  }
  return problems;
}
