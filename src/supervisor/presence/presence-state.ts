// What is known of the person at this machine, and when that is news. Pure.

/** Undefined: it cannot be told. */
export type UserPresence = 'idle' | 'active' | undefined;

export type Sample = { readonly idleMs: number } | { readonly problem: string };

export type PresenceState = {
  readonly presence: UserPresence;
  /** Problems that were told already. */
  readonly told: readonly string[];
};

export type News =
  | { readonly level: 'info'; readonly message: string; readonly presence: 'idle' | 'active' }
  | { readonly level: 'warn'; readonly message: string; readonly problem: string };

export const PRESENCE_AT_START: PresenceState = { presence: undefined, told: [] };

/** Long enough for reading a page without touching anything, in ms. */
export const IDLE_MS = 120_000;

/** Texts of problems may differ for ever (a pid in them); beyond this many they are no news. */
const TOLD_MAX = 20;

export function afterSample(state: PresenceState, sample: Sample): { state: PresenceState; news: News | undefined } {
  if ('problem' in sample) {
    const { problem } = sample;
    if (state.told.includes(problem) || state.told.length >= TOLD_MAX) {
      return { state: { ...state, presence: undefined }, news: undefined };
    }
    const message = 'whether somebody uses this machine cannot be told, so no jobs are taken (only_when_idle)';
    return {
      state: { presence: undefined, told: [...state.told, problem] },
      news: { level: 'warn', message, problem },
    };
  }
  const presence = sample.idleMs >= IDLE_MS ? 'idle' : 'active';
  if (presence === state.presence) return { state, news: undefined };
  const message =
    presence === 'idle' ? 'nobody uses this machine, jobs are taken' : 'somebody uses this machine, no jobs are taken';
  return { state: { ...state, presence }, news: { level: 'info', message, presence } };
}
