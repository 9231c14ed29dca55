// The few figures that are quoted of many samples.

export type Spread = {
  readonly p50: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
};

export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: round(at(0.5)), p99: round(at(0.99)), min: round(at(0)), max: round(at(1)), n: sorted.length };
}

export function median(samples: readonly number[]): number {
  return spread(samples).p50;
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
