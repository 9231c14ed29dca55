// The face of src/supervisor/stream: live speech over the LAN. Types only.
import type { Host } from '../../workers/types.ts';
import type { Activity } from '../activity/types.ts';
import type { Turns } from '../jobs/turns.ts';
import type { Logs } from '../logs/logs.ts';
import type { Models } from '../models/types.ts';
import type { StreamBounds } from './bounds.ts';

export type StreamToken = {
  readonly token: string;
  readonly model: string;
  /** RFC 3339. */
  readonly expiresAt: string;
  readonly port: number;
  readonly path: string;
};

export interface Streams extends AsyncDisposable {
  /** Where is listened; undefined when live speech is off, and when the port could not be had. */
  readonly port: number | undefined;
  /** `ttlSecs` is brought within its bounds; 600 by default. Undefined when nobody listens. */
  mint(model: string, ttlSecs?: number): StreamToken | undefined;
  /** How many streams run. */
  running(): number;
  /** Resolves when none does. */
  idle(): Promise<void>;
}

export type StreamHost = Pick<Host, 'keyOf' | 'models' | 'run' | 'verdict'>;
export type StreamModels = Pick<Models, 'get'>;
/** A stream counts as one of this machine's own jobs. */
export type StreamTurns = Pick<Turns, 'mayStart' | 'started'>;
export type StreamActivity = Pick<Activity, 'started' | 'phase' | 'log' | 'finished'>;

export type StreamsOptions = {
  readonly port: number;
  /** Default: all of this machine's addresses. */
  readonly address?: string;
  readonly host: StreamHost;
  readonly models: StreamModels;
  readonly activity: StreamActivity;
  readonly turns: StreamTurns;
  /** Whether the worker is on its way out, or about to become a newer one: then nothing new begins. */
  readonly leaving: () => boolean;
  readonly logs: Pick<Logs, 'info' | 'warn' | 'error'>;
  readonly bounds?: Partial<StreamBounds>;
};
