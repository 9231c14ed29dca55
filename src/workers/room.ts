// Waits until there is room for a model: first for the memory that the ledger promised and others still hold, then for
// what the device itself says is free.
import { Failure } from '../protocol/failure.ts';
import { memoryIsBack, type RecoveryTimes } from './free-memory.ts';
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
  /** Resolves when the model has left and its memory is back. */
  readonly unload: (id: string) => Promise<void>;
};

export type Room = {
  /** Resolves when the model may be loaded. Rejects with `VRAM_EXHAUSTED`, or with the signal's reason. */
  waitFor(model: ShelfModel, signal: AbortSignal): Promise<void>;
  /** Some memory has been given back to the ledger. */
  freed(): void;
  /** Free memory now, before a model of `bytes` leaves; undefined when nobody can tell or it holds nothing. */
  before(bytes: number): Promise<number | undefined>;
  /** Resolves when the memory of a model that has left is back. */
  isBack(beforeBytes: number | undefined, bytes: number): Promise<void>;
};

export function openRoom(options: RoomOptions): Room {
  const { freeBytes, log, ledger } = options;
  let freed = Promise.withResolvers<void>();

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
  async function probed(model: ShelfModel, signal: AbortSignal): Promise<void> {
    if (!freeBytes || model.bytes === 0) return;
    for (;;) {
      const free = await abortable(freeBytes(), signal);
      const marginBytes = options.marginBytes();
      if (free === undefined || free >= model.bytes + marginBytes) return;
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
      await probed(model, signal);
    },
    freed() {
      freed.resolve();
      freed = Promise.withResolvers();
    },
    async before(bytes) {
      return bytes > 0 ? freeBytes?.() : undefined;
    },
    async isBack(beforeBytes, bytes) {
      if (!freeBytes || beforeBytes === undefined) return;
      await memoryIsBack(freeBytes, { beforeBytes, bytes, ...(options.recovery && { times: options.recovery }) });
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
