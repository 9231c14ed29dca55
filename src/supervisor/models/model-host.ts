// What the models need of the host. Types only.
import type { ModelSource, TaskKind } from '../../protocol/index.ts';
import type { JobObserver, LoadedModelInfo, Verdict } from '../../workers/types.ts';

export type HostModel = {
  readonly model: string;
  readonly source: ModelSource;
  readonly kind: TaskKind;
  readonly vramBytes: number;
};
export type MemoryNeed = { readonly neededBytes: number; readonly freeBytes: number; readonly marginBytes: number };
export type MemoryView = {
  readonly deviceBytes: number;
  readonly reservedBytes: number;
  readonly marginBytes: number;
  readonly freeBytes: number | undefined;
  readonly pools: Readonly<Record<TaskKind, { readonly budgetBytes: number; readonly reservedBytes: number }>>;
};
export type LoadRun = { readonly done: Promise<LoadedModelInfo>; cancel(reason: string): void };
export type LoadVerdict =
  | Exclude<Verdict, { kind: 'busy' }>
  | (Extract<Verdict, { kind: 'busy' }> & { readonly memory?: MemoryNeed });
export interface ModelHost {
  keyOf(model: Pick<HostModel, 'model' | 'source'>): string;
  loadVerdict(model: HostModel): LoadVerdict;
  load(model: HostModel, observer: Pick<JobObserver, 'phase' | 'loadProgress' | 'log'>): LoadRun;
  unload(key: string, options: { drainMs: number }): Promise<void>;
  setPinned(key: string, pinned: boolean): void;
  memory(): Promise<MemoryView>;
  models(): readonly LoadedModelInfo[];
  readyEngines(): readonly { readonly id: string; readonly kinds: readonly TaskKind[] }[];
  readonly changes: EventTarget;
}
