// The studio's limits and deadlines, which may be set from outside.
import { z } from 'zod';

const count = (value: number) => z.number().int().positive().default(value);

/** The defaults are the contract's (wire protocol, section 9), unless a comment says otherwise. */
export const Limits = z.strictObject({
  registerPerWindow: count(10),
  registerWindowMs: count(60_000),
  helloMsMax: count(10_000),
  sweepMs: count(10_000),
  silentMs: count(30_000),
  /** How long a worker that negotiated `resume` may be away before its jobs go to others. */
  resumeMs: count(30_000),
  /** How long a worker has to answer a cancel before the job counts as cancelled anyway. */
  cancelMs: count(30_000),
  attemptsMax: count(3),
  logsPerWorker: count(5_000),
  /** Proxies close a silent stream after 30 to 60 s, so a comment every 15 s keeps the event stream open. */
  eventPingMs: count(15_000),
});
export type Limits = z.infer<typeof Limits>;
