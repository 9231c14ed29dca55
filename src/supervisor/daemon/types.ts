// The face of src/supervisor/daemon: the worker as its dashboard and its command line see and steer it. Types only.
import type { JobWire } from '../activity/types.ts';
import type { RingEntry } from '../logs/ring.ts';

export type SessionView =
  | { readonly state: 'waiting_for_approval' | 'connecting' | 'connected' | 'stopped' }
  /** `attempt`: 1 for the first one after a session was lost. */
  | { readonly state: 'reconnecting'; readonly attempt: number }
  | { readonly state: 'auth_failed' | 'fatal'; readonly reason: string };

export type RegistrationView =
  | { readonly state: 'pristine' }
  | { readonly state: 'pending'; readonly requestId: string; readonly since: string }
  | { readonly state: 'approved' }
  | { readonly state: 'rejected'; readonly reason: string };

export type HeartbeatView =
  | { readonly outcome: 'ok'; readonly lastAttemptAt: string }
  | { readonly outcome: 'err'; readonly reason: string; readonly lastAttemptAt: string };

export type GpuRuntimeView = { readonly ok: boolean; readonly detail: string };

/** The body of `GET /daemon/status`, without the editable configuration, which its route adds. */
export type DaemonStatus = {
  readonly version: string;
  readonly pid: number;
  readonly configPath: string;
  /** Whether somebody has pressed pause. `enable` and `disable` are in the configuration and not part of this. */
  readonly paused: boolean;
  /** Whether a job of the studio would be taken now, as far as the worker's own switches are concerned. */
  readonly takesJobs: boolean;
  readonly busy: boolean;
  readonly registered: boolean;
  readonly workerId: string | null;
  readonly registration: RegistrationView;
  readonly session: SessionView;
  /** Null before the first one of the process. */
  readonly heartbeat: HeartbeatView | null;
  /** Null while nothing is known, and on a machine without a GPU. */
  readonly gpuRuntime: GpuRuntimeView | null;
  /** GiB; 0 when unknown. */
  readonly vramTotalGb: number;
  readonly localApiUrl: string | null;
  /** The studio's job that has run longest. */
  readonly currentJobId: string | null;
  readonly activeJobs: readonly JobWire[];
  readonly recentJobs: readonly JobWire[];
  readonly localJobs: readonly JobWire[];
  /** The number of the newest entry of the log. */
  readonly logsSeq: number;
};

export type Readiness = {
  readonly ready: boolean;
  readonly registered: boolean;
  /** The studio has acknowledged a heartbeat within the time of two. */
  readonly acknowledged: boolean;
  /** Every engine that has to look for something on this machine has looked. */
  readonly enginesProbed: boolean;
};

export interface DaemonControl {
  status(): DaemonStatus;
  readiness(): Readiness;
  /** Takes no further jobs of the studio; what runs goes on. Not saved: every start begins unpaused. */
  pause(): void;
  resume(): void;
  /** As one SIGTERM, however often it is asked for. */
  shutdown(): void;
  /** Asks the studio to be let in again. Resolves with false when no request was rejected. */
  resetRegistration(): Promise<boolean>;
  logs(after: number): { readonly entries: readonly RingEntry[]; readonly seq: number };
}
