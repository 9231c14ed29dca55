// Cuts a text at the first stop string, also when that arrives in pieces: what could still become one is held back, so
// nothing of it is ever passed on. Pure.

export type StopScanner = {
  /** What may be passed on now. After the stop string was found it is always empty. */
  push(text: string): string;
  /** What was held back and did not become a stop string. */
  end(): string;
  readonly found: boolean;
};

export function openStopScanner(stops: readonly string[]): StopScanner {
  // An empty one would stop everything before it began.
  const wanted = stops.filter((stop) => stop !== '');
  let held = '';
  let found = false;

  return {
    push(text) {
      if (found) return '';
      const all = held + text;
      const at = firstOf(all, wanted);
      if (at !== undefined) {
        found = true;
        held = '';
        return all.slice(0, at);
      }
      const keep = openEnd(all, wanted);
      held = all.slice(all.length - keep);
      return all.slice(0, all.length - keep);
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
    get found() {
      return found;
    },
  };
}

function firstOf(text: string, stops: readonly string[]): number | undefined {
  const places = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return places.length > 0 ? Math.min(...places) : undefined;
}

/** Length of the longest end of `text` with which a stop string begins. */
function openEnd(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
