// Whether new jobs are held back for a while by the worker itself: an update is about to be taken, or this run is the
// trial of a new version. Several may hold at one time.
export interface AdmissionHold {
  readonly held: boolean;
  /** Until the value is disposed. */
  hold(): Disposable;
  /** Dispatches `change` when `held` has changed. */
  readonly changes: EventTarget;
}

export function openAdmissionHold(): AdmissionHold {
  const holders = new Set<object>();
  const changes = new EventTarget();
  const change = (alter: () => void): void => {
    const before = holders.size > 0;
    alter();
    if (holders.size > 0 !== before) changes.dispatchEvent(new Event('change'));
  };
  return {
    get held() {
      return holders.size > 0;
    },
    hold() {
      const holder = {};
      change(() => holders.add(holder));
      return { [Symbol.dispose]: () => change(() => holders.delete(holder)) };
    },
    changes,
  };
}
