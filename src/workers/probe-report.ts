// Checks a probe's report, which comes from code of an engine (or of an operator) and is kept on disk: its shape, and
// bounds on what a person will have to read.
import { z } from 'zod';
import type { ProbeReport } from '../engines/engine.ts';

const DETAIL_CHARS_MAX = 500;
const DEVICES_MAX = 16;

const text = (charsMax: number) => z.string().transform((value) => oneLine(value).slice(0, charsMax));

const Report = z.object({
  ready: z.boolean(),
  detail: text(DETAIL_CHARS_MAX),
  remedy: text(DETAIL_CHARS_MAX).optional(),
  backend: text(40).optional(),
  devices: z
    .array(text(100))
    .transform((devices) => devices.slice(0, DEVICES_MAX))
    .optional(),
});

/** Undefined when `value` is no report. Over-long texts are cut. */
export function parseProbeReport(value: unknown): ProbeReport | undefined {
  const parsed = Report.safeParse(value);
  if (!parsed.success) return undefined;
  const { ready, detail, remedy, backend, devices } = parsed.data;
  // Written out, because an absent key and an undefined one are not the same to whoever compares reports.
  return {
    ...{ ready, detail },
    ...(remedy !== undefined && { remedy }),
    ...(backend !== undefined && { backend }),
    ...(devices !== undefined && { devices }),
  };
}

/** For a log line and for a terminal: no line breaks, and no control characters that would move its cursor. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
}
