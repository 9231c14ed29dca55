// Who holds how much of the device's memory, and who must go for a newcomer. Pure: a ledger goes in, a decision or a new
// ledger comes out; nothing here loads, waits or looks at a GPU.
//
// A reservation belongs to a loaded model instance, not to a job:
//
//   queued ─start→ loading ─loaded→ loaded ─doom→ unloading ─free→ (gone)
//
// Two sums stay within each budget: what is promised (queued, loading, loaded) and what is held (loading, loaded,
// unloading). So a newcomer can be promised the memory of a model that is still leaving, and starts once it has left.
import type { TaskKind } from '../protocol/index.ts';

export type Reservation = {
  readonly key: string;
  readonly pool: TaskKind;
  readonly bytes: number;
  readonly state: 'queued' | 'loading' | 'loaded' | 'unloading';
  readonly runs: number;
  /** Stays loaded until it is unloaded on purpose. */
  readonly pinned: boolean;
  /** Monotonic clock, in ms. */
  readonly lastUsedAt: number;
  /** What its last user asked for, in ms; undefined: as long as every model. */
  readonly keepAliveMs?: number | undefined;
};

export type Budgets = { readonly deviceBytes: number; readonly pools: Readonly<Record<TaskKind, number>> };

export type Ledger = { readonly budgets: Budgets; readonly reservations: ReadonlyMap<string, Reservation> };

export type Decision =
  | { readonly kind: 'fits' }
  /** Fits once these idle models have gone, the first to go first. */
  | { readonly kind: 'evict'; readonly keys: readonly string[] }
  /** Only models that work, load or are pinned are in the way. */
  | { readonly kind: 'wait'; readonly limit: 'pool' | 'device'; readonly freeBytes: number }
  | { readonly kind: 'never'; readonly limit: 'pool' | 'device'; readonly allowedBytes: number };

export function openLedger(budgets: Budgets): Ledger {
  return { budgets, reservations: new Map() };
}

export function decide(ledger: Ledger, want: { pool: TaskKind; bytes: number }): Decision {
  const poolBytes = ledger.budgets.pools[want.pool];
  const { deviceBytes } = ledger.budgets;
  if (want.bytes > poolBytes) return { kind: 'never', limit: 'pool', allowedBytes: poolBytes };
  if (want.bytes > deviceBytes) return { kind: 'never', limit: 'device', allowedBytes: deviceBytes };
  const { device, pool } = sums(ledger, isPromised, want.pool);
  const lacking = { device: device + want.bytes - deviceBytes, pool: pool + want.bytes - poolBytes };
  if (lacking.device <= 0 && lacking.pool <= 0) return { kind: 'fits' };
  const keys = victims(ledger, want.pool, lacking);
  if (keys) return { kind: 'evict', keys };
  const limit = lacking.pool >= lacking.device ? 'pool' : 'device';
  const free = limit === 'pool' ? poolBytes - pool : deviceBytes - device;
  return { kind: 'wait', limit, freeBytes: Math.max(0, free) };
}

/** Idle models that give back what lacks: own pool before others, least recently used first, none that would not help. */
function victims(ledger: Ledger, own: TaskKind, lacking: { device: number; pool: number }): string[] | undefined {
  const idle = idleOf(ledger).filter((reservation) => reservation.bytes > 0);
  const isOwn = (reservation: Reservation) => reservation.pool === own;
  const candidates = [...idle.filter(isOwn), ...idle.filter((reservation) => !isOwn(reservation))];
  const chosen: Reservation[] = [];
  const covers = (list: readonly Reservation[]) =>
    total(list) >= lacking.device && total(list.filter(isOwn)) >= lacking.pool;
  for (const candidate of candidates) {
    if (covers(chosen)) break;
    chosen.push(candidate);
  }
  if (!covers(chosen)) return undefined;
  // A large model may make the smaller ones before it needless: those that were used last stay.
  for (const candidate of chosen.toReversed()) {
    const without = chosen.filter((one) => one !== candidate);
    if (covers(without)) chosen.splice(chosen.indexOf(candidate), 1);
  }
  return chosen.map(({ key }) => key);
}

/** Promises memory to a newcomer. `decide` has said `fits`, or what it wanted evicted has been doomed. */
export function reserve(
  ledger: Ledger,
  newcomer: { key: string; pool: TaskKind; bytes: number; pinned?: boolean; now: number },
): Ledger {
  const { key, pool, bytes, pinned = false, now } = newcomer;
  return put(ledger, { key, pool, bytes, state: 'queued', runs: 0, pinned, lastUsedAt: now });
}

/** Whether the memory that was promised to `key` is still held by models that are leaving. */
export function mustWait(ledger: Ledger, key: string): boolean {
  const { pool, bytes } = get(ledger, key);
  const held = sums(ledger, isHeld, pool);
  const leaving = sums(ledger, ({ state }) => state === 'unloading', pool);
  const full = (used: number, budget: number) => used + bytes > budget;
  return (
    (leaving.device > 0 && full(held.device, ledger.budgets.deviceBytes)) ||
    (leaving.pool > 0 && full(held.pool, ledger.budgets.pools[pool]))
  );
}

export function start(ledger: Ledger, key: string): Ledger {
  return put(ledger, { ...get(ledger, key), state: 'loading' });
}

export function loaded(ledger: Ledger, key: string, now: number): Ledger {
  return put(ledger, { ...get(ledger, key), state: 'loaded', lastUsedAt: now });
}

export function doom(ledger: Ledger, key: string): Ledger {
  return put(ledger, { ...get(ledger, key), state: 'unloading' });
}

export function free(ledger: Ledger, key: string): Ledger {
  const reservations = new Map(ledger.reservations);
  reservations.delete(key);
  return { ...ledger, reservations };
}

/** One more job uses the model, loaded or not yet. */
export function acquire(ledger: Ledger, key: string, now: number): Ledger {
  const reservation = get(ledger, key);
  return put(ledger, { ...reservation, runs: reservation.runs + 1, lastUsedAt: now });
}

/** `keepAliveMs`: how long this job wants the model to stay. The word of the one that ended last counts. */
export function release(ledger: Ledger, key: string, now: number, keepAliveMs?: number): Ledger {
  const reservation = get(ledger, key);
  return put(ledger, { ...reservation, runs: Math.max(0, reservation.runs - 1), lastUsedAt: now, keepAliveMs });
}

export function pin(ledger: Ledger, key: string, pinned: boolean): Ledger {
  return put(ledger, { ...get(ledger, key), pinned });
}

export function reconfigure(ledger: Ledger, budgets: Budgets): Ledger {
  return { ...ledger, budgets };
}

/** Loaded, unused and unpinned, least recently used first. */
export function idleOf(ledger: Ledger): Reservation[] {
  return [...ledger.reservations.values()].filter(isIdle).sort((a, b) => a.lastUsedAt - b.lastUsedAt);
}

/** The idle model that goes first when the device has less memory than was believed: own pool first, as ever. */
export function nextToLeave(ledger: Ledger, own: TaskKind): string | undefined {
  const idle = idleOf(ledger).filter(({ bytes }) => bytes > 0);
  return (idle.find(({ pool }) => pool === own) ?? idle[0])?.key;
}

/** Idle models whose time is over. A negative `keepAliveMs` keeps them for ever, unless their last user said otherwise. */
export function expired(ledger: Ledger, now: number, keepAliveMs: number): string[] {
  return idleOf(ledger)
    .filter((reservation) => expiryOf(reservation, keepAliveMs) <= now)
    .map(({ key }) => key);
}

/** When the next idle model expires, on the same clock as `lastUsedAt`. */
export function nextExpiryAt(ledger: Ledger, keepAliveMs: number): number | undefined {
  const next = Math.min(...idleOf(ledger).map((reservation) => expiryOf(reservation, keepAliveMs)));
  return Number.isFinite(next) ? next : undefined;
}

function expiryOf(reservation: Reservation, defaultMs: number): number {
  const { lastUsedAt, keepAliveMs = defaultMs } = reservation;
  return keepAliveMs < 0 ? Number.POSITIVE_INFINITY : lastUsedAt + keepAliveMs;
}

/** What is reserved, in bytes, models that are leaving included. */
export function reservedBytes(ledger: Ledger, pool?: TaskKind): number {
  return total([...ledger.reservations.values()].filter((one) => pool === undefined || one.pool === pool));
}

/** Idle models that must go since the budgets have shrunk below what is promised. */
export function surplus(ledger: Ledger): string[] {
  let rest = ledger;
  const keys: string[] = [];
  for (const { key, pool, bytes } of idleOf(ledger)) {
    const used = sums(rest, isPromised, pool);
    const over = used.device > ledger.budgets.deviceBytes || used.pool > ledger.budgets.pools[pool];
    if (!over || bytes === 0) continue;
    keys.push(key);
    rest = free(rest, key);
  }
  return keys;
}

function isIdle({ state, runs, pinned }: Reservation): boolean {
  return state === 'loaded' && runs === 0 && !pinned;
}

function isPromised({ state }: Reservation): boolean {
  return state !== 'unloading';
}

function isHeld({ state }: Reservation): boolean {
  return state !== 'queued';
}

function sums(ledger: Ledger, counts: (reservation: Reservation) => boolean, pool: TaskKind) {
  const counted = [...ledger.reservations.values()].filter(counts);
  return { device: total(counted), pool: total(counted.filter((reservation) => reservation.pool === pool)) };
}

function total(reservations: readonly Reservation[]): number {
  return reservations.reduce((sum, { bytes }) => sum + bytes, 0);
}

function get(ledger: Ledger, key: string): Reservation {
  const reservation = ledger.reservations.get(key);
  if (!reservation) throw new Error(`the ledger has no reservation ${key}`);
  return reservation;
}

function put(ledger: Ledger, reservation: Reservation): Ledger {
  return { ...ledger, reservations: new Map(ledger.reservations).set(reservation.key, reservation) };
}
