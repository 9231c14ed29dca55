// The worker while it runs: gets through the registration gate, keeps a session, and takes a changed configuration on
// the way. It wires the parts together; each part's own rules are in its own file.
import type { WorkerCapabilities } from '../protocol/index.ts';
import type { Host } from '../workers/types.ts';
import type { Activity } from './activity/types.ts';
import { buildCapabilities } from './capabilities.ts';
import type { ConfigStore } from './config/store.ts';
import type { PauseSwitch } from './daemon/pause-switch.ts';
import { openDelivery } from './delivery/delivery.ts';
import type { Outbox } from './delivery/outbox.ts';
import type { EngineRegistry } from './engines/registry.ts';
import { type Jobs, openJobs } from './jobs/jobs.ts';
import type { Turns } from './jobs/turns.ts';
import type { LocalJobs } from './local/types.ts';
import type { Logs } from './logs/logs.ts';
import type { Models } from './models/types.ts';
import { pause, pauseUntil, settlesWithin } from './pause.ts';
import type { Presence } from './presence/presence.ts';
import { type Credentials, passRegistration } from './registration/registration-gate.ts';
import type { Vitals } from './service/vitals.ts';
import { SESSION_TIMES, type Session, type SessionOwner } from './session/session.ts';
import { keepSession, type LoopEnd } from './session/session-loop.ts';
import type { SessionStatus } from './session/session-status.ts';
import type { Stop } from './stop.ts';
import type { Streams } from './stream/types.ts';
import type { Updates } from './updates.ts';

export type WorkerOptions = {
  readonly config: ConfigStore;
  /** Dispatches `change` after the configuration changed, with `config.current` already new. */
  readonly configChanges: EventTarget;
  readonly logs: Logs;
  readonly host: Host;
  readonly models: Pick<Models, 'learn'>;
  readonly registry: EngineRegistry;
  readonly outbox: Outbox;
  readonly activity: Activity;
  readonly turns: Turns;
  readonly localJobs: LocalJobs;
  readonly streams: Pick<Streams, 'running' | 'idle'>;
  readonly pauseSwitch: PauseSwitch;
  readonly sessionStatus: SessionStatus;
  readonly stop: Stop;
  readonly machine: { readonly machineName: string; readonly username: string; readonly version: string };
  readonly vramTotalGb: number;
  readonly updates: Pick<Updates, 'hold' | 'begin'>;
  readonly vitals: Vitals;
  readonly presence: Pick<Presence, 'current' | 'changes'>;
};

/** How long finished results may take to be delivered once no job runs any more and the worker is on its way out, in ms. */
const FLUSH_MS = 10_000;

/** Longest time from one step of coming to a studio to the next: connect, welcome, a call that is silent. In ms. */
const STEP_MS_MAX = 120_000;

/** The studio answers each heartbeat; two without an answer are a studio that is not heard. In ms. */
const HEARD_MS_MAX = 2 * SESSION_TIMES.heartbeatMs;

/** Resolves when the worker has stopped: nothing runs any more, and what is finished is delivered or in the outbox. */
export async function runWorker(options: WorkerOptions): Promise<LoopEnd> {
  const { config, logs, host, outbox, stop, updates, localJobs, streams, pauseSwitch, sessionStatus, turns } = options;
  const { vitals, presence } = options;
  const isPaused = (): boolean => pauseSwitch.paused || !config.current.autoEnabled;
  const delivery = openDelivery({
    outbox,
    logs,
    delivered: (jobId) => jobs.delivered(jobId),
    failJob: (jobId, message) => jobs.fail(jobId, 'DELIVERY_FAILED', message),
  });
  const jobs: Jobs = openJobs({
    host,
    outbox,
    delivery,
    logs,
    activity: options.activity,
    turns,
    policy: () => ({
      stopping: stop.stage !== 'running' || updates.hold.held,
      paused: isPaused(),
      // Not knowing holds jobs back as well: the person at the machine comes first.
      heldByPresence: config.current.onlyWhenIdle && presence.current !== 'idle',
      thresholdGb: config.current.vramThresholdGb,
    }),
  });
  const capabilities = (): WorkerCapabilities =>
    buildCapabilities({
      ...options.machine,
      ...config.current,
      vramTotalGb: options.vramTotalGb,
      label: config.current.label,
      takesJobs: !isPaused() && stop.stage === 'running' && !updates.hold.held,
      autoUpdate: config.current.autoUpdateEnabled,
      userPresence: presence.current,
      engines: host.readyEngines(),
      slots: host.slots(),
    });

  // The studio must not offer to a worker that has just been paused or begun to stop, so it is told at once. A job that
  // is handed back would otherwise be offered to this very worker again.
  let session: Session | undefined;
  const tellStudio = (): void => session?.beat();
  options.configChanges.addEventListener('change', tellStudio);
  options.registry.changes.addEventListener('change', tellStudio);
  updates.hold.changes.addEventListener('change', tellStudio);
  stop.draining.addEventListener('abort', tellStudio, { once: true });
  pauseSwitch.changes.addEventListener('change', () => {
    tellStudio();
    turns.forgetOffers();
  });
  presence.changes.addEventListener('change', tellStudio);
  turns.changes.addEventListener('place', tellStudio);

  updates.begin({
    busy: () => jobs.running().length + localJobs.running().length + streams.running() > 0,
    idle: async () => void (await Promise.all([jobs.idle(), localJobs.idle(), streams.idle()])),
  });

  const sessionOver = new AbortController();
  const drained = drain(stop, jobs, delivery, options).then(() => sessionOver.abort());
  const end = await keepSessions();
  sessionStatus.over(end);
  // Without a session nobody can be told, but a job that still ends well goes into the outbox.
  if (stop.stage === 'running') stop.request(end.kind);
  await drained;
  delivery.stop();
  return end;

  async function keepSessions(): Promise<LoopEnd> {
    while (true) {
      let credentials: Credentials;
      vitals.expect(STEP_MS_MAX, 'asking the studio to be let in');
      try {
        credentials = await passRegistration({
          config,
          logs,
          userAgent: `studio-worker/${options.machine.version}`,
          capabilities,
          pause: (ms) => {
            vitals.expect(ms + STEP_MS_MAX, 'waiting for an operator of the studio to let it in');
            return pauseUntil(ms, options.configChanges, 'change', stop.draining);
          },
          signal: stop.draining,
          observe: sessionStatus.registrationIs,
        });
      } catch (error) {
        if (stop.draining.aborted) return { kind: 'stopped' };
        throw error;
      }
      logs.addSecret(credentials.authToken);
      const replaced = watchCredentials(credentials, options);
      const signal = AbortSignal.any([sessionOver.signal, replaced.signal]);
      vitals.expect(STEP_MS_MAX, 'connecting to the studio');
      const end = await keepSession({
        credentials,
        logs,
        times: SESSION_TIMES,
        reconnectAttempts: config.current.wsReconnectAttempts,
        signal,
        pause: (ms) => {
          vitals.expect(ms + STEP_MS_MAX, 'the studio is not reached, trying again');
          return pause(ms, signal);
        },
        owner: sessionOwner(credentials),
        observe: sessionStatus,
      });
      replaced[Symbol.dispose]();
      if (end.kind !== 'stopped' || !replaced.signal.aborted || sessionOver.signal.aborted) return end;
      logs.info('ws', 'the studio or the credentials changed in the configuration, starting over');
    }
  }

  function sessionLost(): void {
    session = undefined;
    jobs.sessionLost();
    delivery.sessionLost();
  }

  function sessionOwner(credentials: Credentials): SessionOwner {
    return {
      capabilities,
      inFlight: () => [...new Set([...jobs.running(), ...delivery.pending(), ...jobs.unreported()])],
      running: jobs.running,
      welcomed(opened, welcome) {
        session = opened;
        sessionStatus.welcomed();
        vitals.expect(HEARD_MS_MAX, 'connected to the studio');
        announce(options, capabilities());
        const wanted = jobs.sessionOpened(opened, welcome);
        delivery.sessionOpened(opened, credentials, wanted);
        // Not earlier: loading native libraries must not keep the worker from its hello.
        options.registry.begin();
      },
      offered(claim) {
        jobs.offered(claim);
        options.models.learn(claim);
      },
      cancelled: jobs.cancelled,
      acknowledged(kind, jobId) {
        logs.info('job', kind === 'complete' ? 'the studio has the result' : 'the studio has noted the failure', {
          jobId,
        });
        if (kind === 'complete') delivery.acknowledged(jobId);
        else jobs.failAcknowledged(jobId);
      },
      heartbeatSent: sessionStatus.heartbeatSent,
      heartbeatAcknowledged() {
        vitals.expect(HEARD_MS_MAX);
        sessionStatus.heartbeatAcknowledged();
      },
      ended() {
        vitals.expect(STEP_MS_MAX);
        sessionLost();
      },
    };
  }
}

/** Waits for the request to stop, then lets running jobs end, or hands them back when the time or patience is over. */
async function drain(
  stop: Stop,
  jobs: Jobs,
  delivery: ReturnType<typeof openDelivery>,
  { config, logs, localJobs }: WorkerOptions,
): Promise<void> {
  if (!stop.draining.aborted)
    await new Promise((begin) => stop.draining.addEventListener('abort', begin, { once: true }));
  localJobs.close();
  const running = jobs.running().length + localJobs.running().length;
  const idle = Promise.all([jobs.idle(), localJobs.idle()]);
  if (running > 0) {
    const graceSecs = config.current.shutdownGraceSecs;
    logs.info('stop', 'waiting for running jobs to end', { jobs: running, graceSecs });
    if (!(await settlesWithin(idle, graceSecs * 1000, stop.cancelling))) {
      const [studio, local] = [jobs.running(), localJobs.running()];
      if (studio.length > 0) logs.warn('stop', 'handing running jobs back to the studio', { jobs: studio.join(',') });
      if (local.length > 0) logs.warn('stop', 'ending the jobs of this machine', { jobs: local.join(',') });
      jobs.cancelAll('the worker is stopping');
      localJobs.cancelAll('the worker is stopping');
      await idle;
    }
  }
  if (!(await settlesWithin(delivery.settled(), FLUSH_MS, stop.cancelling))) {
    logs.warn('stop', 'results are still undelivered; they stay in the outbox for the next start', {
      results: delivery.pending().length,
    });
  }
}

/** Aborts when the configuration names another studio or other credentials than the session uses. */
function watchCredentials(
  used: Credentials,
  { config, configChanges }: WorkerOptions,
): { signal: AbortSignal } & Disposable {
  const replaced = new AbortController();
  const check = (): void => {
    const { apiBaseUrl, workerId, authToken } = config.current;
    if (apiBaseUrl !== used.apiBaseUrl || workerId !== used.workerId || authToken !== used.authToken) replaced.abort();
  };
  configChanges.addEventListener('change', check);
  check();
  return {
    signal: replaced.signal,
    [Symbol.dispose]: () => configChanges.removeEventListener('change', check),
  };
}

/** Once a connection: what was advertised, and a warning when the threshold promises more than there is. */
function announce({ logs }: WorkerOptions, advertised: WorkerCapabilities): void {
  const { taskKinds, supportedModels, vramTotalGb, vramThresholdGb, autoEnabled } = advertised;
  logs.info('ws', 'advertised', {
    kinds: taskKinds.join(','),
    models: supportedModels.join(','),
    vramTotalGb,
    vramThresholdGb,
    takesJobs: autoEnabled,
  });
  if (vramTotalGb > 0 && vramThresholdGb > vramTotalGb) {
    logs.warn('ws', 'the threshold is above the memory of this machine; jobs of that size will fail', {
      vramThresholdGb,
      vramTotalGb,
    });
  }
}
