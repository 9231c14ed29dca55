// Numbers that only grow, by label: what a counter and a histogram are before anybody asks for them. prom-client itself
// is loaded with the first scrape, since it costs 12 MB, and counts must be right from the start.

export type Labels = Readonly<Record<string, string>>;

/** No label of ours has values that strangers choose, so more series than this are a mistake, and are not kept. */
const SERIES_MAX = 1_000;

export type Sample = { readonly labels: Labels; readonly value: number };

export class Tally {
  readonly #series = new Map<string, { labels: Labels; value: number }>();

  add(labels: Labels, amount = 1): void {
    if (!Number.isFinite(amount) || amount < 0) return;
    const key = keyOf(labels);
    const known = this.#series.get(key);
    if (known !== undefined) known.value += amount;
    else if (this.#series.size < SERIES_MAX) this.#series.set(key, { labels, value: amount });
  }

  samples(): Sample[] {
    return [...this.#series.values()].map(({ labels, value }) => ({ labels, value }));
  }
}

export type Spread = {
  readonly labels: Labels;
  /** How many were at most `bounds[i]`; not cumulative. Those above the last bound are in `count` alone. */
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
};

export class Histogram {
  readonly bounds: readonly number[];
  readonly #series = new Map<string, { labels: Labels; buckets: number[]; sum: number; count: number }>();

  /** `bounds`: upper limits, growing. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    if (!Number.isFinite(value)) return;
    const key = keyOf(labels);
    let spread = this.#series.get(key);
    if (spread === undefined) {
      if (this.#series.size >= SERIES_MAX) return;
      spread = { labels, buckets: this.bounds.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, spread);
    }
    const at = this.bounds.findIndex((bound) => value <= bound);
    if (at >= 0) spread.buckets[at] = (spread.buckets[at] ?? 0) + 1;
    spread.sum += value;
    spread.count += 1;
  }

  spreads(): Spread[] {
    return [...this.#series.values()].map((spread) => ({ ...spread, buckets: [...spread.buckets] }));
  }
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels));
}
