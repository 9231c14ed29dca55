// What the local API is built on.
import type { Host } from '../../workers/types.ts';
import type { Activity, Metrics } from '../activity/types.ts';
import type { ConfigStore } from '../config/store.ts';
import type { DaemonControl } from '../daemon/types.ts';
import type { LocalJobs } from '../local/types.ts';
import type { Logs } from '../logs/logs.ts';
import type { Models } from '../models/types.ts';
import type { Streams } from '../stream/types.ts';
import type { StreamTimes } from './event-stream.ts';

export type ApiParts = {
  readonly config: ConfigStore;
  /** Dispatches `change` after the configuration changed, with `config.current` already new. */
  readonly configChanges: EventTarget;
  readonly logs: Logs;
  readonly host: Host;
  readonly models: Models;
  readonly localJobs: LocalJobs;
  readonly activity: Activity;
  readonly daemon: DaemonControl;
  readonly streams: Pick<Streams, 'mint'>;
  readonly metrics?: Metrics;
  readonly version: string;
  /** Called before the first request that gets past the guards. */
  readonly asked?: () => void;
  /** How long a caller waits for a model that is being loaded, in ms. Default 60 000. */
  readonly loadWaitMs?: number;
  /** Of a client that follows the events. Default: `STREAM_TIMES`. */
  readonly streamTimes?: StreamTimes;
};

/** In ms. What a client may take; the defaults are generous for a network that has no distance. */
export type ApiTimes = {
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to the end of its body. */
  readonly requestMs: number;
  /** How often those two are looked at. */
  readonly checkMs: number;
};

export const API_TIMES: ApiTimes = { headersMs: 10_000, requestMs: 120_000, checkMs: 5_000 };
