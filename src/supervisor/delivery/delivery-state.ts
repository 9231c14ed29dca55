// The life of one finished result on its way to the studio. Pure: an event gives the next state and what to do.
//
//   waiting ─session→ sending ─acked→ (gone)
//      ▲                │ ├─refused (the studio no longer holds the claim for us)→ parked, or sending if offered again
//      └─session lost───┘ └─broke (could not be taken)→ parked, and the job is failed as retryable
//   parked ─offered again→ waiting          waiting, parked ─unwanted, expired→ (gone)
//
// A parked result is kept because a studio without `resume` forgets a claim when the session drops, and then offers the
// same job again: it is answered from here instead of being computed twice.

export type DeliveryState =
  | { readonly kind: 'waiting' }
  /** `offeredAgain`: the studio gave the job to this worker once more while an upload under the old claim goes on. */
  | { readonly kind: 'sending'; readonly offeredAgain?: true }
  | { readonly kind: 'parked'; readonly sinceMs: number };

export type DeliveryEvent =
  /** There is a session, and the studio holds the claim for this worker (or the result goes by HTTP, which asks). */
  | { readonly kind: 'go' }
  /** A session without the claim: a JSON result may not be sent, since the studio would end the session over it. */
  | { readonly kind: 'not-held'; readonly nowMs: number }
  | { readonly kind: 'session-lost' }
  | { readonly kind: 'acked' }
  | { readonly kind: 'refused'; readonly nowMs: number }
  | { readonly kind: 'broke'; readonly nowMs: number; readonly why: string }
  | { readonly kind: 'offered-again' }
  | { readonly kind: 'unwanted' };

export type DeliveryEffect =
  | { readonly do: 'send' | 'remove' | 'nothing' }
  /** Report the job as failed (`DELIVERY_FAILED`), for this reason. */
  | { readonly do: 'fail-job'; readonly why: string };

export type DeliveryStep = { readonly state: DeliveryState; readonly effect: DeliveryEffect };

export function deliveryStep(state: DeliveryState, event: DeliveryEvent): DeliveryStep {
  switch (event.kind) {
    case 'go':
      return state.kind === 'waiting' ? { state: { kind: 'sending' }, effect: { do: 'send' } } : stay(state);
    case 'offered-again':
      if (state.kind === 'sending') return stay({ kind: 'sending', offeredAgain: true });
      return state.kind === 'parked' ? { state: { kind: 'waiting' }, effect: { do: 'nothing' } } : stay(state);
    case 'session-lost':
      return state.kind === 'sending' ? { state: { kind: 'waiting' }, effect: { do: 'nothing' } } : stay(state);
    case 'not-held':
      return state.kind === 'parked' ? stay(state) : { state: parkedAt(event.nowMs), effect: { do: 'nothing' } };
    case 'refused':
      // The refusal was about the old claim. Parking now would leave the new one unanswered for as long as the session lasts.
      if (state.kind === 'sending' && state.offeredAgain) return { state: { kind: 'sending' }, effect: { do: 'send' } };
      return { state: parkedAt(event.nowMs), effect: { do: 'nothing' } };
    case 'broke':
      return { state: parkedAt(event.nowMs), effect: { do: 'fail-job', why: event.why } };
    case 'acked':
    case 'unwanted':
      return { state, effect: { do: 'remove' } };
  }
}

/** How long a parked result waits for its job to be offered again, in ms: a day covers a studio that was down overnight. */
export const PARKED_MS_MAX = 24 * 60 * 60 * 1000;

/** Parked results kept; beyond it the longest parked go first. */
export const PARKED_MAX = 256;

/** Which parked results are to be removed now. */
export function expiredParked<T extends { jobId: string; state: DeliveryState }>(
  items: readonly T[],
  nowMs: number,
): T[] {
  const parked = items
    .map((item) => ({ item, sinceMs: item.state.kind === 'parked' ? item.state.sinceMs : undefined }))
    .filter((each): each is { item: T; sinceMs: number } => each.sinceMs !== undefined)
    .sort((a, b) => a.sinceMs - b.sinceMs);
  const tooMany = Math.max(0, parked.length - PARKED_MAX);
  return parked
    .filter(({ sinceMs }, index) => index < tooMany || nowMs - sinceMs > PARKED_MS_MAX)
    .map(({ item }) => item);
}

function parkedAt(sinceMs: number): DeliveryState {
  return { kind: 'parked', sinceMs };
}

function stay(state: DeliveryState): DeliveryStep {
  return { state, effect: { do: 'nothing' } };
}
