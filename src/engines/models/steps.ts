// What a download says in the job's log: a line every tenth of the way, or every so often on a slow line. Pure but for the
// clock, which is handed in.

const EVERY_RATIO = 0.1;
/** A person who watches a slow download wants to see that it moves, in ms. */
const EVERY_MS = 30_000;
/** A fast one would fill the log, in ms. */
const LEAST_MS = 2_000;

export type Steps = { at(bytes: number, total: number | undefined): void; done(bytes: number): void };

export function openSteps(say: (line: string) => void, now: () => number = () => performance.now()): Steps {
  let start: { readonly atMs: number; readonly bytes: number } | undefined;
  let saidRatio = 0;
  let saidAt = 0;

  function speed(bytes: number): string {
    const seconds = Math.max(0.001, (now() - (start?.atMs ?? now())) / 1000);
    return `${mb(Math.max(0, bytes - (start?.bytes ?? bytes)) / seconds)}/s`;
  }

  return {
    at(bytes, total) {
      const ratio = total === undefined ? 0 : bytes / total;
      if (start === undefined) {
        start = { atMs: now(), bytes };
        saidRatio = ratio;
        saidAt = now();
        return;
      }
      const sinceMs = now() - saidAt;
      if (sinceMs < LEAST_MS || (ratio - saidRatio < EVERY_RATIO && sinceMs < EVERY_MS)) return;
      saidRatio = ratio;
      saidAt = now();
      const share = total === undefined ? '' : ` of ${mb(total)} (${Math.floor(Math.min(1, ratio) * 100)} %)`;
      say(`${mb(bytes)}${share}, ${speed(bytes)}`);
    },
    done: (bytes) => say(`complete, ${mb(bytes)}, ${speed(bytes)}`),
  };
}

function mb(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
