// What models that ran on this machine really took. Pure: the list goes in, the next one comes out.
import { z } from 'zod';
import type { MeasuredModel } from '../../workers/types.ts';

/** A machine sees a few dozen models; the one that was measured longest ago is forgotten first. */
export const PEAKS_MAX = 500;

/** A peak that rises by less is not worth a write: the figures of drivers and allocators differ from run to run. */
const NEWS_RATIO = 1.01;

const Peak = z.object({
  key: z.string().min(1).max(200),
  model: z.string(),
  engine: z.string(),
  bytes: z.int().positive(),
  estimateBytes: z.int().nonnegative(),
  /** ISO 8601. */
  measuredAt: z.string(),
});
export type Peak = Readonly<z.infer<typeof Peak>>;

/** The oldest first. */
export type Peaks = readonly Peak[];

/** Throws when the text is not such a list. */
export function parsePeaks(text: string): Peaks {
  return z
    .object({ version: z.literal(1), peaks: z.array(Peak) })
    .parse(JSON.parse(text))
    .peaks.slice(-PEAKS_MAX);
}

export function peaksText(peaks: Peaks): string {
  return `${JSON.stringify({ version: 1, peaks }, null, 2)}\n`;
}

/**
 * Undefined when nothing new was learnt. The estimate that is kept is the first one: later loads reserve the peak
 * itself.
 */
export function withPeak(peaks: Peaks, model: MeasuredModel, bytes: number, now: Date): Peaks | undefined {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) return undefined;
  const known = peaks.find(({ key }) => key === model.key);
  if (known && bytes <= known.bytes * NEWS_RATIO) return undefined;
  const { key, engine, reservedBytes } = model;
  const estimateBytes = known?.estimateBytes ?? reservedBytes;
  const peak: Peak = { key, model: model.model, engine, bytes, estimateBytes, measuredAt: now.toISOString() };
  return [...peaks.filter((one) => one !== known), peak].slice(-PEAKS_MAX);
}
