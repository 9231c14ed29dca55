// Keeps the turns of share.ts: who runs and who wants, as things happen. It remembers a refused offer until the studio
// comes back, says when there is a place, and gives the place up when it does not come.
import type { TaskKind } from '../../protocol/index.ts';
import type { Host, HostJob, Verdict } from '../../workers/types.ts';
import * as share from './share.ts';

export type Ask = Pick<HostJob, 'model' | 'source' | 'task' | 'vramBytes'>;

export type TurnsTimes = {
  /** How long a refused offer counts, in ms. It is offered again after each heartbeat, every 5 s, if nobody else took it. */
  readonly wantMs: number;
  /** How long a free place is kept for the studio once it was told of it, in ms: a round trip and the studio's own work. */
  readonly keptMs: number;
};

export const TURNS_TIMES: TurnsTimes = { wantMs: 12_000, keptMs: 3_000 };

export interface Turns extends Disposable {
  /**
   * Whether a job of the studio may start now, given what the host says. `busy` when the host is ready and it is the
   * turn of this machine's own jobs. A refusal because of those is remembered.
   */
  offered(ask: Ask, verdict: Verdict): Verdict;
  /** The offers that were refused are no longer of interest: the session is over, or the worker paused. */
  forgetOffers(): void;
  mayStart(kind: TaskKind): boolean;
  /** What the local job at the head of its queue waits for; `undefined` when none of the kind waits. */
  localWants(kind: TaskKind, want: { readonly memory: boolean } | undefined): void;
  /** A job began. The result is to be called once, when it has ended. */
  started(party: share.Party, kind: TaskKind): () => void;
  /** The host says that a place or memory may have become free. Called often. */
  hostChanged(): void;
  /**
   * Dispatches `change` after each of those, and when a local job that had to stand back may start; `place` when the
   * studio should be told that there is a place for what it was refused, so that it offers at once.
   */
  readonly changes: EventTarget;
}

export type TurnsOptions = {
  readonly host: Pick<Host, 'verdict'>;
  readonly times?: Partial<TurnsTimes>;
};

type Refused = { readonly ask: Ask; memory: boolean; timer: NodeJS.Timeout; told: boolean };

export function openTurns({ host, times }: TurnsOptions): Turns {
  const { wantMs, keptMs } = { ...TURNS_TIMES, ...times };
  const refused = new Map<TaskKind, Refused>();
  const changes = new EventTarget();
  let state = share.NOTHING_SHARED;

  function drop(kind: TaskKind): void {
    const one = refused.get(kind);
    if (one === undefined) return;
    clearTimeout(one.timer);
    refused.delete(kind);
    state = share.wants(state, 'studio', kind, undefined);
  }

  function expire(kind: TaskKind): void {
    drop(kind);
    look();
  }

  /** Whether the studio's turn has come, and then the others'. */
  function look(): void {
    for (const [kind, one] of refused) {
      const verdict = host.verdict(one.ask);
      if (verdict.kind === 'busy') one.memory = isForMemory(verdict);
      const ready = verdict.kind === 'ready' && share.mayStart(state, 'studio', kind);
      state = share.wants(state, 'studio', kind, { kind, memory: one.memory, ready });
      if (!ready || one.told) continue;
      one.told = true;
      clearTimeout(one.timer);
      one.timer = setTimeout(() => expire(kind), keptMs).unref();
      changes.dispatchEvent(new Event('place'));
    }
    changes.dispatchEvent(new Event('change'));
  }

  function remember(ask: Ask, memory: boolean): void {
    const { kind } = ask.task;
    drop(kind);
    const timer = setTimeout(() => expire(kind), wantMs).unref();
    refused.set(kind, { ask, memory, timer, told: false });
    state = share.wants(state, 'studio', kind, { kind, memory, ready: false });
  }

  return {
    changes,
    offered(ask, verdict) {
      const { kind } = ask.task;
      if (verdict.kind === 'never') return verdict;
      const allowed = share.mayStart(state, 'studio', kind);
      if (verdict.kind === 'ready' && allowed) return verdict;
      const memory = verdict.kind === 'busy' && isForMemory(verdict);
      // Held up by its own jobs alone, the studio needs no turn.
      if (!allowed || share.holdsUp(state, 'local', { kind, memory })) remember(ask, memory);
      if (verdict.kind === 'busy') return verdict;
      return { kind: 'busy', why: 'it is the turn of a job that waits on this machine' };
    },
    forgetOffers() {
      const kinds = [...refused.keys()];
      for (const kind of kinds) drop(kind);
      if (kinds.length > 0) look();
    },
    mayStart: (kind) => share.mayStart(state, 'local', kind),
    localWants(kind, want) {
      state = share.wants(state, 'local', kind, want && { kind, memory: want.memory, ready: false });
    },
    started(party, kind) {
      if (party === 'studio') drop(kind);
      state = share.started(state, party, kind);
      // A place may be left for the other party, whose turn it now is.
      queueMicrotask(look);
      let over = false;
      return () => {
        if (over) return;
        over = true;
        state = share.ended(state, party, kind);
        look();
      };
    },
    hostChanged: look,
    [Symbol.dispose]() {
      for (const kind of [...refused.keys()]) drop(kind);
    },
  };
}

/** Whether memory is what a busy host lacks, and not a place. */
export function isForMemory(verdict: Extract<Verdict, { kind: 'busy' }>): boolean {
  return verdict.memory !== undefined;
}
