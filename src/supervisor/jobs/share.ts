// Whose turn it is when the studio and this machine's own programs want the same places: they take turns, so that a flood of
// one never starves the other. Pure: what is so goes in, an answer comes out.
//
// A studio cannot wait in our queue: its offer is taken or refused at once, and comes back with the next heartbeat. So
// what was refused leaves a *want* behind, as a local job in its queue does. While a party's want is unmet and it is that
// party's turn, the other starts nothing that would be in the way.
import type { TaskKind } from '../../protocol/index.ts';

export type Party = 'studio' | 'local';

export type Want = {
  readonly kind: TaskKind;
  /** It waits for memory, which models of any kind may hold; else for a place in the pool of its kind. */
  readonly memory: boolean;
  /** It could start now, and only its party is not here to start it. */
  readonly ready: boolean;
};

export type ShareState = {
  /** Who started the last job of a kind, or one that was in the way of a want of that kind. */
  readonly lastServed: Readonly<Partial<Record<TaskKind, Party>>>;
  readonly running: Readonly<Record<Party, readonly TaskKind[]>>;
  /** At most one of a kind for each party. */
  readonly wants: Readonly<Record<Party, readonly Want[]>>;
};

export const NOTHING_SHARED: ShareState = {
  lastServed: {},
  running: { studio: [], local: [] },
  wants: { studio: [], local: [] },
};

/** Whether `party` may start a job of `kind` that has a place. */
export function mayStart(state: ShareState, party: Party, kind: TaskKind): boolean {
  const other = otherOf(party);
  return !state.wants[other].some(
    (want) => isInTheWay(want, kind) && isDue(state, other, want) && isWorthIt(state, party, want),
  );
}

export function started(state: ShareState, party: Party, kind: TaskKind): ShareState {
  const lastServed = { ...state.lastServed, [kind]: party };
  // Having gone first counts as a turn in every queue that was made longer by it.
  for (const want of state.wants[otherOf(party)]) if (isInTheWay(want, kind)) lastServed[want.kind] = party;
  return {
    lastServed,
    running: { ...state.running, [party]: [...state.running[party], kind] },
    wants: { ...state.wants, [party]: state.wants[party].filter((want) => want.kind !== kind) },
  };
}

export function ended(state: ShareState, party: Party, kind: TaskKind): ShareState {
  const running = [...state.running[party]];
  const at = running.indexOf(kind);
  if (at >= 0) running.splice(at, 1);
  return { ...state, running: { ...state.running, [party]: running } };
}

/** Takes the place of what the party wanted of this kind; `undefined`: nothing any more. */
export function wants(state: ShareState, party: Party, kind: TaskKind, want: Want | undefined): ShareState {
  const others = state.wants[party].filter((each) => each.kind !== kind);
  return { ...state, wants: { ...state.wants, [party]: want === undefined ? others : [...others, want] } };
}

/** Whether jobs of `party` hold what `want` waits for, so that it would be met sooner if no more of them began. */
export function holdsUp(state: ShareState, party: Party, want: Pick<Want, 'kind' | 'memory'>): boolean {
  return state.running[party].some((kind) => isInTheWay(want, kind));
}

function isInTheWay(want: Pick<Want, 'kind' | 'memory'>, kind: TaskKind): boolean {
  return want.memory || want.kind === kind;
}

function isDue(state: ShareState, party: Party, want: Want): boolean {
  // Before anybody was served nobody is due, or both would stand back for each other.
  return state.lastServed[want.kind] === otherOf(party);
}

/** Standing back helps only while the want can be met now, or once jobs of `party` have ended. */
function isWorthIt(state: ShareState, party: Party, want: Want): boolean {
  return want.ready || holdsUp(state, party, want);
}

function otherOf(party: Party): Party {
  return party === 'studio' ? 'local' : 'studio';
}
