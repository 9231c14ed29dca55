// Progress over all files of a model, by bytes. Pure but for the clock, which is handed in.

/** Told at most this often, in ms: at a gigabyte a second there are 16 000 pieces a second. */
const TELL_EVERY_MS = 250;

export type FetchProgress = {
  /** Where one file is; a total that is not known is guessed at. */
  at(filename: string, bytes: number, total: number | undefined): void;
  done(filename: string, bytes: number): void;
  /** Nothing new, but alive. */
  alive(): void;
};

type Share = { bytes: number; total: number };

/** `tell` hears a ratio that never falls; the same one again means "alive". */
export function openFetchProgress(
  files: readonly { filename: string; approxBytes?: number | undefined }[],
  tell: (ratio: number) => void,
  now: () => number = () => performance.now(),
): FetchProgress {
  // A file of unknown size counts as much as an average one.
  const known = files.map(({ approxBytes }) => approxBytes).filter((bytes) => bytes !== undefined);
  const average = known.length === 0 ? 1 : known.reduce((sum, bytes) => sum + bytes, 0) / known.length;
  const shares = new Map<string, Share>();
  for (const { filename, approxBytes } of files) shares.set(filename, { bytes: 0, total: approxBytes ?? average });
  let best = 0;
  let toldAt = Number.NEGATIVE_INFINITY;

  function say(urgent: boolean): void {
    if (!urgent && now() - toldAt < TELL_EVERY_MS) return;
    toldAt = now();
    let bytes = 0;
    let total = 0;
    for (const share of shares.values()) {
      bytes += Math.min(share.bytes, share.total);
      total += share.total;
    }
    best = Math.max(best, total === 0 ? 0 : bytes / total);
    tell(best);
  }

  return {
    at(filename, bytes, total) {
      const share = shares.get(filename);
      if (share) shares.set(filename, { bytes, total: Math.max(total ?? share.total, bytes) });
      say(false);
    },
    done(filename, bytes) {
      shares.set(filename, { bytes, total: bytes });
      say(true);
    },
    alive: () => say(false),
  };
}
