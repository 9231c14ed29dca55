// Waits until there is room for a model: first for the memory that the ledger promised and others still hold, then for
// what the device itself says is free.

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../protocol/failure.ts';
import { memoryIsBack, RECOVERY_TIMES, type RecoveryTimes } from './free-memory.ts';
import * as ledgers from './ledger.ts';
import type { ShelfModel } from './shelf-model.ts';
import { STALL_DEFAULTS } from './stall.ts';
import { abortable } from './turns.ts';
import type { HostOptions, MemoryShortage } from './types.ts';
import { gib } from './verdict.ts';

/** `VRAM_EXHAUSTED`, with what was lacking. */
export type MemoryFailure = Failure & { readonly memory: MemoryShortage };

export type RoomOptions = {
  readonly freeBytes: HostOptions['freeBytes'];
  readonly recovery?: RecoveryTimes | undefined;
  readonly log: HostOptions['log'];
  readonly ledger: () => ledgers.Ledger;
  readonly marginBytes: () => number;
  /** Aborts when the host closes. */
  readonly closing: AbortSignal;
  /** Resolves when the model has left and its memory is back. */
  readonly unload: (id: string) => Promise<void>;
};

export type Room = {
  /**
   * Resolves when the model may be loaded, with what is free then, if anybody can tell. Rejects with `VRAM_EXHAUSTED`, or
   * with the signal's reason.
   */
  waitFor(model: ShelfModel, signal: AbortSignal): Promise<number | undefined>;
  /** Some memory has been given back to the ledger. `unseen`: nobody waited until the device had it back. */
  freed(how: 'seen' | 'unseen'): void;
  /** Free memory now, before the model leaves; undefined when nobody can tell or it holds nothing. */
  before(model: ShelfModel): Promise<number | undefined>;
  /** Resolves when the memory of a model that has left is back. */
  isBack(model: ShelfModel, beforeBytes: number | undefined): Promise<void>;
};

export function openRoom(options: RoomOptions): Room {
  const { log, ledger, recovery: times = RECOVERY_TIMES } = options;
  let freed = Promise.withResolvers<void>();
  // A driver gives the memory of a process that died some time after its end.
  let unseenUntilMs = 0;

  /** Never rejects: a probe that fails knows nothing. */
  async function freeFor({ kind, bytes }: ShelfModel): Promise<number | undefined> {
    const home = ledger().budgets.homes?.[kind]?.name;
    if (!options.freeBytes || options.closing.aborted || bytes === 0 || home === 'ram') return undefined;
    return options.freeBytes(home).catch(() => undefined);
  }

  async function promised(model: ShelfModel, signal: AbortSignal): Promise<void> {
    const late = Promise.withResolvers<never>();
    const failure = new Failure('VRAM_EXHAUSTED', `the memory for \`${model.ref.model}\` did not come back`);
    const timer = setTimeout(() => late.reject(failure), STALL_DEFAULTS.loadStallMs);
    try {
      while (ledgers.mustWait(ledger(), model.id)) await abortable(Promise.race([freed.promise, late.promise]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Other programs use the device as well, and estimates are wrong: idle models go until the device agrees. */
  async function probed(model: ShelfModel, signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      const free = await abortable(freeFor(model), signal);
      const marginBytes = options.marginBytes();
      if (free === undefined || free >= model.bytes + marginBytes) return free;
      if (performance.now() < unseenUntilMs) {
        await abortable(sleep(times.everyMs), signal);
        continue;
      }
      const next = ledgers.nextToLeave(ledger(), model.kind);
      if (next === undefined) throw shortage(model, { neededBytes: model.bytes, freeBytes: free, marginBytes });
      log('info', 'the device has less free memory than the ledger says, unloading an idle model', {
        model: model.ref.model,
        neededGb: toGb(model.bytes),
        freeGb: toGb(free),
      });
      await abortable(options.unload(next), signal);
    }
  }

  return {
    async waitFor(model, signal) {
      await promised(model, signal);
      return probed(model, signal);
    },
    freed(how) {
      if (how === 'unseen') unseenUntilMs = performance.now() + times.msMax;
      freed.resolve();
      freed = Promise.withResolvers();
    },
    before: freeFor,
    async isBack(model, beforeBytes) {
      if (beforeBytes === undefined || options.closing.aborted) return;
      await memoryIsBack(() => freeFor(model), { beforeBytes, bytes: model.bytes, times, signal: options.closing });
    },
  };
}

function shortage(model: ShelfModel, memory: MemoryShortage): MemoryFailure {
  const { neededBytes, freeBytes, marginBytes } = memory;
  const found = `${gib(freeBytes)} of the device's memory is free, of which ${gib(marginBytes)} is kept as a margin`;
  const advice = 'another program may hold the rest; close it, or lower vram_margin_gb';
  const text = `\`${model.ref.model}\` needs ${gib(neededBytes)}, but ${found}; ${advice}`;
  return Object.assign(new Failure('VRAM_EXHAUSTED', text), { memory });
}

function toGb(bytes: number): number {
  return Math.round((bytes / 2 ** 30) * 100) / 100;
}
