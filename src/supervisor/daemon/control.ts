// The worker as its dashboard and its command line see and steer it: gathers what the parts know, and passes on what is
// pressed. It holds no state of its own.
import type { EngineDescriptor } from '../../workers/types.ts';
import type { Activity } from '../activity/types.ts';
import type { ConfigStore } from '../config/store.ts';
import type { EngineRegistry } from '../engines/registry.ts';
import type { Logs } from '../logs/logs.ts';
import { RESET } from '../registration/registration-state.ts';
import type { SessionStatus } from '../session/session-status.ts';
import type { Stop } from '../stop.ts';
import { gpuRuntimeOf } from './gpu-runtime.ts';
import type { PauseSwitch } from './pause-switch.ts';
import type { DaemonControl } from './types.ts';

export type ControlOptions = {
  readonly version: string;
  readonly config: ConfigStore;
  readonly logs: Logs;
  readonly stop: Stop;
  readonly pauseSwitch: PauseSwitch;
  readonly sessionStatus: SessionStatus;
  readonly activity: Activity;
  readonly engines: readonly EngineDescriptor[];
  readonly registry: Pick<EngineRegistry, 'report'>;
  readonly device: { readonly totalGb: number; readonly hasGpu: boolean };
  readonly heartbeatMs: number;
  /** `undefined` while the local API does not listen. */
  readonly localApiUrl: () => string | undefined;
};

export function openDaemonControl(options: ControlOptions): DaemonControl {
  const { config, logs, stop, pauseSwitch, sessionStatus, activity, engines, registry, device } = options;

  const isRegistered = (): boolean => Boolean(config.current.workerId && config.current.authToken);

  function isAcknowledged(): boolean {
    const at = sessionStatus.acknowledgedAtMs;
    return at !== undefined && performance.now() - at <= 2 * options.heartbeatMs;
  }

  function flip(paused: boolean): void {
    if (pauseSwitch.paused === paused) return;
    logs.info('daemon', paused ? 'paused: no jobs of the studio are taken' : 'resumed');
    pauseSwitch.set(paused);
  }

  return {
    status() {
      const activeJobs = activity.active();
      const takesJobs = config.current.autoEnabled && !pauseSwitch.paused && stop.stage === 'running';
      return {
        version: options.version,
        pid: process.pid,
        configPath: config.path,
        paused: pauseSwitch.paused,
        takesJobs,
        busy: activeJobs.length > 0,
        registered: isRegistered(),
        workerId: config.current.workerId || null,
        registration: sessionStatus.registration,
        session: sessionStatus.session,
        heartbeat: sessionStatus.heartbeat ?? null,
        gpuRuntime: gpuRuntimeOf(engines, registry.report, device.hasGpu),
        vramTotalGb: device.totalGb,
        localApiUrl: options.localApiUrl() ?? null,
        currentJobId: activeJobs.find(({ source }) => source === 'studio')?.jobId ?? null,
        activeJobs,
        recentJobs: activity.recent('studio'),
        localJobs: activity.recent('local'),
        logsSeq: logs.ring.newestSeq,
      };
    },
    readiness() {
      const registered = isRegistered();
      const acknowledged = isAcknowledged();
      const enginesProbed = engines.every(
        ({ id, probeUrl }) => probeUrl === undefined || registry.report(id) !== undefined,
      );
      return { ready: registered && acknowledged && enginesProbed, registered, acknowledged, enginesProbed };
    },
    pause: () => flip(true),
    resume: () => flip(false),
    shutdown() {
      // A second press means impatience with the button, not with the jobs: unlike a second Ctrl-C it changes nothing.
      if (stop.stage === 'running') stop.request('asked for over the local API');
    },
    async resetRegistration() {
      if (sessionStatus.registration.state !== 'rejected') return false;
      await config.patch(RESET);
      logs.info('registration', 'registration is reset: the studio will be asked again');
      return true;
    },
    logs: (after) => ({ entries: logs.ring.after(after), seq: logs.ring.newestSeq }),
  };
}
