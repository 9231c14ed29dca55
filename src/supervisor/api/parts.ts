// What the local API is built on.
import type { Host } from '../../workers/types.ts';
import type { ConfigStore } from '../config/store.ts';
import type { Logs } from '../logs/logs.ts';

export type ApiParts = {
  readonly config: ConfigStore;
  /** Dispatches `change` after the configuration changed, with `config.current` already new. */
  readonly configChanges: EventTarget;
  readonly logs: Logs;
  readonly host: Host;
  readonly version: string;
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
