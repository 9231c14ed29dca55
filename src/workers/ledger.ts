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

/** Where the models of a pool are, when it is not "on all devices together": one GPU by its index, or RAM beside GPUs. */
export type Home = { readonly name: number | 'ram'; readonly bytes: number };

export type Budgets = {
  /** All devices together. */
  readonly deviceBytes: number;
  readonly pools: Readonly<Record<TaskKind, number>>;
  readonly homes?: Readonly<Partial<Record<TaskKind, Home>>>;
};

/** What is full: the pool, all devices together, or the home of the pool. */
export type Limit = 'pool' | 'device' | Home['name'];

export type Ledger = { readonly budgets: Budgets; readonly reservations: ReadonlyMap<string, Reservation> };

export type Decision =
  | { readonly kind: 'fits' }
  /** Fits once these idle models have gone, the first to go first. */
  | { readonly kind: 'evict'; readonly keys: readonly string[] }
  /** Only models that work, load or are pinned are in the way. */
  | { readonly kind: 'wait'; readonly limit: Limit; readonly freeBytes: number }
  | { readonly kind: 'never'; readonly limit: Limit; readonly allowedBytes: number };

/** A budget, and which pools draw on it. */
type Scope = {
  readonly limit: Limit;
  readonly bytes: number;
  holds(reservation: { readonly pool: TaskKind }): boolean;
};

export function openLedger(budgets: Budgets): Ledger {
  return { budgets, reservations: new Map() };
}

/** All budgets that a model of the pool must fit into. */
function scopesOf({ deviceBytes, pools, homes = {} }: Budgets, own: TaskKind): Scope[] {
  const home = homes[own];
  const scopes: Scope[] = [{ limit: 'pool', bytes: pools[own], holds: ({ pool }) => pool === own }];
  if (home) scopes.push({ limit: home.name, bytes: home.bytes, holds: ({ pool }) => homes[pool]?.name === home.name });
  if (home?.name !== 'ram') {
    scopes.push({ limit: 'device', bytes: deviceBytes, holds: ({ pool }) => homes[pool]?.name !== 'ram' });
  }
  return scopes;
}

export function decide(ledger: Ledger, want: { pool: TaskKind; bytes: number }): Decision {
  const scopes = scopesOf(ledger.budgets, want.pool);
  const small = scopes.find(({ bytes }) => want.bytes > bytes);
  if (small) return { kind: 'never', limit: small.limit, allowedBytes: small.bytes };
  const wants = scopes.map((scope): Want => {
    const used = sum(ledger, isPromised, scope);
    return { scope, freeBytes: Math.max(0, scope.bytes - used), lackingBytes: used + want.bytes - scope.bytes };
  });
  if (wants.every(({ lackingBytes }) => lackingBytes <= 0)) return { kind: 'fits' };
  const keys = victims(ledger, want.pool, wants);
  if (keys) return { kind: 'evict', keys };
  const { scope, freeBytes } = wants.reduce((worst, one) => (one.lackingBytes > worst.lackingBytes ? one : worst));
  return { kind: 'wait', limit: scope.limit, freeBytes };
}

type Want = { readonly scope: Scope; readonly freeBytes: number; readonly lackingBytes: number };

/** Idle models that give back what lacks: own pool before others, least recently used first, none that would not help. */
function victims(ledger: Ledger, own: TaskKind, wants: readonly Want[]): string[] | undefined {
  const candidates = ownFirst(ledger, own);
  const chosen: Reservation[] = [];
  const covers = (list: readonly Reservation[]) =>
    wants.every(({ scope, lackingBytes }) => total(list.filter(scope.holds)) >= lackingBytes);
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

/** Idle models whose memory a model of the pool could use, the first to go first. */
function ownFirst(ledger: Ledger, own: TaskKind): Reservation[] {
  const idle = idleBeside(ledger, own).filter(({ bytes }) => bytes > 0);
  const isOwn = ({ pool }: Reservation) => pool === own;
  return [...idle.filter(isOwn), ...idle.filter((reservation) => !isOwn(reservation))];
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
  return scopesOf(ledger.budgets, pool).some((scope) => {
    const leaving = sum(ledger, ({ state }) => state === 'unloading', scope);
    return leaving > 0 && sum(ledger, isHeld, scope) + bytes > scope.bytes;
  });
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

/** Those of them whose memory a model of this pool could use: one in RAM is of no help to one on a GPU. */
export function idleBeside({ budgets, ...rest }: Ledger, own: TaskKind): Reservation[] {
  const homeOf = (pool: TaskKind) => budgets.homes?.[pool]?.name;
  const home = homeOf(own);
  return idleOf({ budgets, ...rest }).filter(({ pool }) => {
    const other = homeOf(pool);
    if (home === 'ram' || other === 'ram') return home === other;
    // What is on no certain GPU may be on this one.
    return home === undefined || other === undefined || home === other;
  });
}

/** The idle model that goes first when the device has less memory than was believed: own pool first, as ever. */
export function nextToLeave(ledger: Ledger, own: TaskKind): string | undefined {
  return ownFirst(ledger, own)[0]?.key;
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

/** What is reserved, in bytes, models that are leaving included: of a pool, or of all that is on the devices. */
export function reservedBytes(ledger: Ledger, pool?: TaskKind): number {
  const { homes } = ledger.budgets;
  const counts = (one: Reservation) => (pool === undefined ? homes?.[one.pool]?.name !== 'ram' : one.pool === pool);
  return total([...ledger.reservations.values()].filter(counts));
}

/** The memory that models of the pool share with others: its home, or all devices together. */
export function memoryOf(ledger: Ledger, pool: TaskKind): { budgetBytes: number; reservedBytes: number } {
  const [, scope] = scopesOf(ledger.budgets, pool);
  return { budgetBytes: scope?.bytes ?? 0, reservedBytes: scope ? sum(ledger, () => true, scope) : 0 };
}

/** Idle models that must go since the budgets have shrunk below what is promised. */
export function surplus(ledger: Ledger): string[] {
  let rest = ledger;
  const keys: string[] = [];
  for (const { key, pool, bytes } of idleOf(ledger)) {
    const over = scopesOf(ledger.budgets, pool).some((scope) => sum(rest, isPromised, scope) > scope.bytes);
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

function sum(ledger: Ledger, counts: (reservation: Reservation) => boolean, scope: Scope): number {
  return total([...ledger.reservations.values()].filter((one) => counts(one) && scope.holds(one)));
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
