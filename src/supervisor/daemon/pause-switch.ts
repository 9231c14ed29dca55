// Whether somebody has pressed pause. Never saved: a worker that was paused for the evening works again after a restart.
// `disable` and `enable` are another switch, and kept in the configuration.

export interface PauseSwitch {
  readonly paused: boolean;
  set(paused: boolean): void;
  /** Dispatches `change` when it was flipped. */
  readonly changes: EventTarget;
}

export function openPauseSwitch(): PauseSwitch {
  const changes = new EventTarget();
  let paused = false;
  return {
    changes,
    get paused() {
      return paused;
    },
    set(next) {
      if (next === paused) return;
      paused = next;
      changes.dispatchEvent(new Event('change'));
    },
  };
}
