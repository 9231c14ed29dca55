// One line of a worker's operator log, as it is shipped to the studio.
import { z } from 'zod';
import { absent } from './absent.ts';

export const LogLevel = z.enum(['info', 'warn', 'error']);
export type LogLevel = z.infer<typeof LogLevel>;

/** `ts` is RFC 3339 in UTC with milliseconds; `category` is free text such as `ws` or `job`. */
export const LogEntry = z.object({
  ts: z.string(),
  level: LogLevel,
  category: z.string(),
  message: z.string(),
  jobId: absent(z.string()),
});
export type LogEntry = z.infer<typeof LogEntry>;
