// `studio-worker run`: the process around a worker. It takes the lock, opens what lasts as long as the process (logs,
// host, outbox), runs the worker, and turns its end into an exit code.
import { isDeepStrictEqual } from 'node:util';
import { allEngines } from '../workers/all-engines.ts';
import { openHost } from '../workers/host.ts';
import { openActivity } from './activity/activity.ts';
import { counted } from './activity/estimates.ts';
import { watchLoads } from './activity/load-times.ts';
import { openMetrics } from './activity/metrics.ts';
import { openRecorder } from './activity/recorder.ts';
import { startLocalApi } from './api/start.ts';
import { siblingPaths } from './config/paths.ts';
import type { Config } from './config/schema.ts';
import { type ConfigStore, openConfigStore } from './config/store.ts';
import { watchConfig } from './config-watch.ts';
import { dieLoudly } from './crash.ts';
import { openDaemonControl } from './daemon/control.ts';
import { openPauseSwitch } from './daemon/pause-switch.ts';
import { publishSession } from './daemon/session-events.ts';
import { takeDaemonLock } from './daemon-lock.ts';
import { openOutbox } from './delivery/outbox.ts';
import { openMachine } from './device/machine.ts';
import { hasMemoryOfItsOwn, type ProbedDevice, probeDevice } from './device/probe.ts';
import { openEngineRegistry } from './engines/registry.ts';
import { EXIT } from './exit-codes.ts';
import { engineSettings, poolChoices } from './host-settings.ts';
import { openTurns } from './jobs/turns.ts';
import { openLocalJobs } from './local/local-jobs.ts';
import { type Logs, openLogs } from './logs/logs.ts';
import { machineName, packageVersion, username } from './machine.ts';
import { openMemoryFile } from './memory/memory-file.ts';
import { publishModels } from './models/model-events.ts';
import { openModels } from './models/models.ts';
import { openPresence } from './presence/presence.ts';
import { stateOf } from './registration/registration-state.ts';
import { openOwnService } from './service/own-service.ts';
import { openVitals } from './service/vitals.ts';
import { SESSION_TIMES } from './session/session.ts';
import type { LoopEnd } from './session/session-loop.ts';
import { openSessionStatus } from './session/session-status.ts';
import { listenForStop } from './stop.ts';
import { startStreams } from './stream/start.ts';
import { openTelemetry } from './telemetry.ts';
import type { Relaunch } from './update/relaunch.ts';
import { openUpdates } from './updates.ts';
import { runWorker } from './worker.ts';

export type RunOptions = {
  readonly configPath: string;
  /** This run is the trial of a new version: it takes no jobs, writes into that file how it is, and ends. */
  readonly trialFile?: string | undefined;
};

/** `relaunch`: what the process is to become now that nothing of the worker is left. */
export type RunEnd = { readonly code: number; readonly relaunch?: Relaunch | undefined };

/** Rejects when the worker could not even start (broken config, unwritable folder). */
export async function run({ configPath, trialFile }: RunOptions): Promise<RunEnd> {
  // The probe may have to start a program; everything that does not need its answer goes on meanwhile.
  const probing = probeDevice();
  const config = await openConfigStore(configPath, {
    create: true,
    detectedVramGb: async () => (await probing).totalGb,
  });
  const paths = siblingPaths(config.path);
  await using lock = await takeDaemonLock(config.dir);
  if (lock === undefined) {
    process.stderr.write(`another studio-worker already runs with ${config.path}\n`);
    return { code: EXIT.ok };
  }
  await using logs = await openLogs({ ...config.current.logging, stderr: 'auto', secrets: secretsOf(config) });
  await using _telemetry = await openTelemetry({ logs, version: packageVersion(), env: process.env });
  const leave = dieLoudly(logs);
  const vitals = openVitals();
  await using service = await openOwnService({ vitals, logs, isTrial: trialFile !== undefined });
  using stop = listenForStop((stage, why) => {
    if (stage === 'leaving') return leave(EXIT.error);
    if (stage === 'draining') service.draining(config.current.shutdownGraceSecs, why);
    const next = stage === 'draining' ? 'again hands running jobs back' : 'again leaves at once';
    logs.info('stop', 'stopping', { stage, why, next });
  });
  using configChanges = watchConfig(config, logs);

  const device = await probing;
  banner(logs, config, device);
  const { pools } = config.current;
  const forEngines = engineSettings(config.current);
  const machine = await openMachine({ device, config: config.current, forEngines, logs });
  const { engines: ownEngines, onlyEngines } = config.current;
  await using registry = await openEngineRegistry({
    engines: allEngines(ownEngines, onlyEngines),
    settings: forEngines,
    pools,
    version: packageVersion(),
    cacheFile: paths.engines,
    logs,
    configChanges,
  });
  await using memory = await openMemoryFile({
    path: paths.memory,
    placeOf: machine.placeOf,
    logs,
    gpuBytesOf: machine.gpuBytesOf,
  });
  const recorder = openRecorder();
  await using host = await openHost({
    settings: machine.settings(config.current),
    extraEngines: ownEngines,
    onlyEngines,
    engineSettings: forEngines,
    memory: counted(memory, recorder),
    probed: registry.report,
    counts: recorder.host,
    freeBytes: machine.watch.freeBytes,
    scratchRoot: paths.scratch,
    log: (level, message, fields) => logs[level]('host', message, fields),
  });
  await using models = await openModels({
    ...{ paths, host, logs, engineSettings: forEngines, enginesChanged: registry.changes },
    restore: trialFile === undefined,
    received: recorder.host.received,
  });
  using turns = openTurns({ host });
  host.changes.addEventListener('change', () => turns.hostChanged());
  let chosenBefore = operatorsPart(config.current);
  configChanges.addEventListener('change', () => {
    host.configure(machine.settings(config.current));
    logs.setLevel(config.current.logging.level);
    for (const secret of secretsOf(config)) logs.addSecret(secret);
    const chosen = operatorsPart(config.current);
    // What the worker itself saves (its id, its token) is no news to anybody.
    if (isDeepStrictEqual(chosen, chosenBefore)) return;
    chosenBefore = chosen;
    const { vramThresholdGb, autoEnabled } = config.current;
    logs.info('config', 'configuration changed', { vramThresholdGb, autoEnabled });
    // Engines were checked, and models were loaded, with what stood there at the start.
    const { current } = config;
    if (
      !isDeepStrictEqual(
        [engineSettings(current), poolChoices(current), current.engines, current.onlyEngines],
        [forEngines, poolChoices({ pools }), ownEngines, onlyEngines],
      )
    ) {
      logs.warn('config', 'what engines are told (gpu, device, models_root, …) takes effect with the next start');
    }
  });
  const outbox = await openOutbox(paths.outbox, (message, fields) => logs.warn('outbox', message, fields));
  await using updates = openUpdates({
    config,
    logs,
    stop,
    version: packageVersion(),
    trialFile,
    facts: () => ({
      enginesProbed: daemon.readiness().enginesProbed,
      studioAnswered:
        sessionStatus.session.state === 'connected' ||
        ['pending', 'rejected'].includes(sessionStatus.registration.state),
    }),
  });

  const { modelsRoot } = forEngines;
  await using activity = await openActivity({ logs, recorder, previewDir: paths.previews, modelsRoot });
  publishModels(models, activity.events);
  const localJobs = openLocalJobs({ host, turns, hold: updates.hold, activity, recorder, logs });
  using _loads = watchLoads(host, recorder);
  const pauseSwitch = openPauseSwitch();
  const sessionStatus = openSessionStatus(stateOf(config.current, new Date()));
  publishSession(sessionStatus, pauseSwitch, activity.events);
  const daemon = openDaemonControl({
    ...{ version: packageVersion(), config, logs, stop, pauseSwitch, sessionStatus, activity, registry },
    engines: host.engines,
    device: { totalGb: device.totalGb, hasGpu: hasMemoryOfItsOwn(device) },
    heartbeatMs: SESSION_TIMES.heartbeatMs,
    localApiUrl: () => localApi.url,
  });
  const metrics = openMetrics({
    ...{ version: packageVersion(), recorder, activity, host, models, localJobs, sessionStatus },
    devices: machine.watch.list,
  });
  await using streams = await startStreams({
    ...{ config: config.current, env: process.env, host, models, activity, turns, logs },
    leaving: () => updates.hold.held || stop.stage !== 'running',
  });
  const apiParts = {
    ...{ config, configChanges, logs, host, models, activity, localJobs, streams, daemon, metrics },
    version: packageVersion(),
    asked: registry.begin,
  };
  await using localApi = startLocalApi(apiParts);

  await using presence = openPresence({ config, configChanges, logs });
  service.ready();
  const end = await runWorker({
    updates,
    vitals,
    presence,
    config,
    configChanges,
    logs,
    host,
    registry,
    outbox,
    activity,
    turns,
    localJobs,
    models,
    streams,
    pauseSwitch,
    sessionStatus,
    stop,
    machine: { machineName: machineName(), username: username(), version: packageVersion() },
    vramTotalGb: device.totalGb,
  });
  const relaunch = end.kind === 'stopped' ? updates.relaunch : undefined;
  if (relaunch !== undefined) service.relaunching();
  return { code: conclude(end, logs), relaunch };
}

/** The configuration without the keys that the worker keeps for itself. */
function operatorsPart(config: Config) {
  const { workerId, authToken, installId, registrationRequestId, registrationSecret, localApiToken, ...rest } = config;
  return rest;
}

/** The three endings that a service manager has to tell apart, and their texts. */
function conclude(end: LoopEnd, logs: Logs): number {
  switch (end.kind) {
    case 'stopped':
      logs.info('stop', 'stopped');
      return EXIT.ok;
    case 'auth-failed':
      logs.error('ws', `ws auth failed: ${end.reason}`, {
        remedy: 'the studio no longer knows this worker; `studio-worker register --reset` asks to be let in again',
      });
      return EXIT.authFailed;
    case 'fatal':
      logs.error('ws', `ws fatal: ${end.reason}`);
      return EXIT.error;
    case 'cap-reached':
      logs.error('ws', 'ws reconnect cap reached', {
        why: end.why,
        remedy: 'set ws_reconnect_attempts = 0 to try for ever',
      });
      return EXIT.error;
  }
}

function banner(logs: Logs, config: ConfigStore, device: ProbedDevice): void {
  const { apiBaseUrl, vramThresholdGb, autoEnabled } = config.current;
  logs.info('startup', 'studio-worker starts', {
    version: packageVersion(),
    config: config.path,
    studio: apiBaseUrl,
    registration: stateOf(config.current, new Date()).kind,
    vramThresholdGb,
    vramTotalGb: device.totalGb,
    vramSource: device.source,
    takesJobs: autoEnabled,
  });
  for (const warning of config.warnings) logs.warn('config', warning);
  for (const warning of device.warnings) logs.warn('device', warning);
}

function secretsOf({ current }: ConfigStore): string[] {
  const { authToken, registrationSecret, localApiToken } = current;
  return [authToken, registrationSecret, localApiToken].filter((each) => each !== undefined);
}
