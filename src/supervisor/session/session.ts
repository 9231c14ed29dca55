// One session with a studio, from the upgrade to its end: hello, the welcome gate, heartbeats, shipped logs. It hands
// offers and acknowledgements to its owner and decides nothing about jobs.
import {
  FEATURES,
  type Feature,
  type FrameMisfit,
  type StudioFrame,
  type WorkerCapabilities,
  type WorkerFrame,
} from '../../protocol/index.ts';
import type { Logs } from '../logs/logs.ts';
import type { Credentials } from '../registration/registration-gate.ts';
import { connectUrl } from '../studio-url.ts';
import { CONNECTION_TIMES, type Connection, type ConnectionTimes, openConnection } from './connection.ts';
import { endOfErrorFrame, type SessionEnd } from './session-end.ts';

export type SessionTimes = ConnectionTimes & { readonly heartbeatMs: number; readonly logFlushMs: number };

/** The studio forgets a worker that is silent for 30 s, so a heartbeat every 5 s survives five lost ones. */
export const SESSION_TIMES: SessionTimes = { ...CONNECTION_TIMES, heartbeatMs: 5_000, logFlushMs: 1_000 };

/** Entries of one `logBatch`, so that a full ship queue does not become one huge frame. */
const LOG_BATCH_MAX = 500;

export type Welcome = { readonly features: ReadonlySet<Feature>; readonly resumed: readonly string[] | undefined };

/** What the owner of a session must answer. Called in the order in which frames arrive. */
export type SessionOwner = {
  capabilities(): WorkerCapabilities;
  /** Ids of jobs running here, and of finished ones not delivered yet. */
  inFlight(): string[];
  /** Ids of the jobs running now, the oldest first. */
  running(): string[];
  welcomed(session: Session, welcome: Welcome): void;
  offered(claim: Extract<StudioFrame, { type: 'offer' }>['claim']): void;
  cancelled(jobId: string, reason: string | undefined): void;
  acknowledged(kind: 'complete' | 'fail', jobId: string): void;
  /** `sent`: whether it was handed to the operating system. */
  heartbeatSent(sent: boolean): void;
  heartbeatAcknowledged(): void;
  /** Called once, after everything else, whether or not there was a welcome. */
  ended(): void;
};

export interface Session {
  readonly features: ReadonlySet<Feature>;
  /** Resolves with whether the frame went out. False before the welcome and after the end. */
  send(frame: WorkerFrame): Promise<boolean>;
  /** Sends a heartbeat now: what the studio knows of this worker has just become untrue. */
  beat(): void;
}

export type SessionOptions = {
  readonly credentials: Credentials;
  readonly owner: SessionOwner;
  readonly logs: Logs;
  readonly times: SessionTimes;
  readonly signal: AbortSignal;
};

export type FinishedSession = { readonly end: SessionEnd; readonly welcomed: boolean };

/** Runs one session. Resolves when it has ended; aborting `signal` ends it with `stopped`. Never rejects. */
export async function runSession(options: SessionOptions): Promise<FinishedSession> {
  const { credentials, logs, owner, signal, times } = options;
  let welcomed: Welcome | undefined;
  const timers: NodeJS.Timeout[] = [];
  const seenTypes = new Set<string>();

  const connection: Connection = openConnection({
    url: () => connectUrl(credentials.apiBaseUrl, credentials.workerId),
    authToken: credentials.authToken,
    times,
    onOpen: () => {
      const inFlight = owner.inFlight();
      void connection.send({
        type: 'hello',
        authToken: credentials.authToken,
        capabilities: owner.capabilities(),
        ...(inFlight.length === 0 ? {} : { inFlight }),
      });
    },
    onFrame: (frame) => {
      if (frame.type === 'error') {
        const end = endOfErrorFrame(frame.code, frame.message);
        return connection.close(end, end.kind === 'auth-failed' ? 'auth failed' : 'session ended');
      }
      if (welcomed !== undefined) return dispatch(frame);
      if (frame.type === 'welcome') return open(frame);
      logs.warn('ws', 'frame before the welcome was dropped', { type: frame.type });
    },
    onMisfit: (misfit) => {
      // Before the welcome nothing but `hello` may be sent, so an unreadable offer is dropped like a readable one.
      if (welcomed === undefined && misfit.kind === 'bad-offer') return;
      onMisfit(misfit, connection, seenTypes, options);
    },
  });

  const send = (frame: WorkerFrame): Promise<boolean> =>
    welcomed === undefined ? Promise.resolve(false) : connection.send(frame);

  const open = (frame: Extract<StudioFrame, { type: 'welcome' }>): void => {
    const features = new Set(FEATURES.filter((feature) => frame.features?.includes(feature)));
    welcomed = { features, resumed: frame.resumed };
    logs.info('ws', 'welcomed by the studio', {
      workerId: frame.workerId,
      serverTime: frame.serverTime,
      features: [...features].join(','),
    });
    owner.welcomed({ features, send, beat }, welcomed);
    // The first beat and flush go out at once. Timers that fire late are skipped by Node, not bunched.
    beat();
    flush();
    timers.push(setInterval(beat, times.heartbeatMs), setInterval(flush, times.logFlushMs));
  };

  const beat = (): void => {
    const running = owner.running();
    const currentJobId = running[0];
    const frame = {
      type: 'heartbeat',
      capabilities: owner.capabilities(),
      ...(currentJobId === undefined ? {} : { currentJobId }),
      ...(welcomed?.features.has('multi-offer') ? { currentJobIds: running } : {}),
    } as const;
    void connection.send(frame).then(owner.heartbeatSent);
  };

  let flushing = false;
  const flush = (): void => {
    if (flushing) return;
    const entries = logs.ship.take(LOG_BATCH_MAX);
    if (entries.length === 0) return;
    flushing = true;
    void connection.send({ type: 'logBatch', entries }).then((sent) => {
      flushing = false;
      if (!sent) logs.ship.putBack(entries);
    });
  };

  const dispatch = (frame: StudioFrame): void => {
    switch (frame.type) {
      case 'offer':
        return owner.offered(frame.claim);
      case 'cancel':
        return owner.cancelled(frame.jobId, frame.reason);
      case 'completeAck':
        return owner.acknowledged('complete', frame.jobId);
      case 'failAck':
        return owner.acknowledged('fail', frame.jobId);
      case 'heartbeatAck':
        return owner.heartbeatAcknowledged();
      case 'welcome':
        return logs.info('ws', 'another welcome was ignored', { serverTime: frame.serverTime });
      case 'error':
        return;
      default:
        frame satisfies never;
    }
  };

  const stop = (): void => {
    // Before the welcome nothing but `hello` may be sent.
    if (welcomed !== undefined) flush();
    connection.close({ kind: 'stopped' }, 'session ended');
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const end = await connection.ended;
  signal.removeEventListener('abort', stop);
  for (const timer of timers) clearInterval(timer);
  owner.ended();
  return { end, welcomed: welcomed !== undefined };
}

function onMisfit(misfit: FrameMisfit, connection: Connection, seenTypes: Set<string>, { logs }: SessionOptions): void {
  switch (misfit.kind) {
    case 'unknown-type':
      // A later studio may say more than this worker understands; once a session is enough to know it.
      if (!seenTypes.has(misfit.type)) logs.warn('ws', 'frame of an unknown type was ignored', { type: misfit.type });
      if (seenTypes.size < 64) seenTypes.add(misfit.type);
      return;
    case 'bad-offer':
      logs.warn('ws', 'offer rejected: it cannot be read', { jobId: misfit.jobId, problem: misfit.problem });
      void connection.send({ type: 'reject', jobId: misfit.jobId, reason: `offer cannot be read: ${misfit.problem}` });
      return;
    case 'invalid':
      logs.warn('ws', 'message that is not a frame, ending the session', { problem: misfit.problem });
      connection.close({ kind: 'disconnected', why: `protocol error: ${misfit.problem}` }, 'protocol violation');
  }
}
