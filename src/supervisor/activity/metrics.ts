// `GET /metrics`. prom-client writes the text and adds what it knows of the process. It is loaded with the first scrape:
// it costs 12 MB and 70 ms, and most workers are never scraped.
import type { Metric, Registry } from 'prom-client';
import { type Reading, readAll, type Sources } from './readings.ts';
import type { Labels, Spread } from './tally.ts';
import type { Metrics } from './types.ts';

/** As prom-client's own metrics answer. */
type Answer = {
  readonly name: string;
  readonly help: string;
  readonly type: Reading['type'];
  readonly values: readonly Value[];
};

type Value = { readonly metricName?: string; readonly labels: Labels; readonly value: number };

/** Kept by prom-client for all of Prometheus' text formats; the 1.x one is what every scraper reads. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function openMetrics(sources: Sources): Metrics {
  let process: Promise<Registry> | undefined;
  return {
    contentType: CONTENT_TYPE,
    async text() {
      const prom = await import('prom-client');
      process ??= Promise.resolve().then(() => {
        const registry = new prom.Registry();
        prom.collectDefaultMetrics({ register: registry });
        return registry;
      });
      const registry = new prom.Registry();
      for (const reading of await readAll(sources)) {
        const { name, help, type } = reading;
        const answer: Answer = { name, help, type, values: valuesOf(reading) };
        // Its own counters can only be added to; a metric is whatever has a name and answers `get`.
        registry.registerMetric({ name, get: async () => answer } as unknown as Metric);
      }
      const texts = await Promise.all([registry.metrics(), (await process).metrics()]);
      return texts.join('\n');
    },
  };
}

function valuesOf(reading: Reading): Value[] {
  if (reading.type !== 'histogram') return reading.samples.map(({ labels, value }) => ({ labels, value }));
  const { name, histogram } = reading;
  return histogram.spreads().flatMap((spread) => bucketsOf(name, histogram.bounds, spread));
}

/** Cumulative, as the format wants them. */
function bucketsOf(name: string, bounds: readonly number[], { labels, buckets, sum, count }: Spread): Value[] {
  let below = 0;
  const limited = bounds.map((bound, at): Value => {
    below += buckets[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below };
  });
  return [
    ...limited,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
