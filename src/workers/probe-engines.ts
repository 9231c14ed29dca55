// Finds out which engines work on this machine: asks the probe of each, in a child process of its own, and turns whatever
// happens there into a report. A probe that crashes, hangs or is missing is an engine that is not ready.
import os from 'node:os';
import { deviceEnv } from '../engines/device-env.ts';
import type { EngineDescriptor, EngineSettings, ProbeReport } from '../engines/engine.ts';
import { type PoolChoices, probeSettingsOf } from './pool-home.ts';
import { askProbeChild, type ProbeEnd } from './probe-child.ts';
import { oneLine, parseProbeReport } from './probe-report.ts';

/** A driver that has to wake a GPU answers within some seconds. */
const PROBE_MS_MAX = 20_000;
/** Cores for each probe at a time: a probe loads a library, and jobs may be running beside it. */
const CORES_PER_PROBE = 4;

export type ProbeEnginesOptions = {
  readonly settings: EngineSettings;
  /** What pools choose apart from that. */
  readonly pools?: PoolChoices;
  readonly signal?: AbortSignal;
  /** Default 20 000. */
  readonly msMax?: number;
  readonly started?: (engine: EngineDescriptor) => void;
  readonly finished?: (engine: EngineDescriptor, report: ProbeReport) => void;
};

/** By engine id, those with a probe only. Rejects with the signal's reason alone. */
export async function probeEngines(
  engines: readonly EngineDescriptor[],
  options: ProbeEnginesOptions,
): Promise<ReadonlyMap<string, ProbeReport>> {
  const waiting = engines.filter((engine) => engine.probeUrl !== undefined);
  const reports = new Map<string, ProbeReport>();
  const work = async (): Promise<void> => {
    for (let engine = waiting.shift(); engine; engine = waiting.shift()) {
      options.started?.(engine);
      const report = await probeEngine(engine, options);
      reports.set(engine.id, report);
      options.finished?.(engine, report);
    }
  };
  const atATime = Math.max(1, Math.floor(os.availableParallelism() / CORES_PER_PROBE));
  await Promise.all(Array.from({ length: Math.min(atATime, waiting.length) }, work));
  return reports;
}

async function probeEngine(engine: EngineDescriptor, options: ProbeEnginesOptions): Promise<ProbeReport> {
  const { signal, msMax = PROBE_MS_MAX } = options;
  const settings = probeSettingsOf(options.settings, options.pools ?? {}, engine);
  const device = deviceEnv(settings.device);
  const ask = (kind: 'env' | 'probe', moduleUrl: string, env: Record<string, string>): Promise<ProbeEnd> =>
    askProbeChild({
      engine: engine.id,
      order: { kind, moduleUrl, settings },
      env: { ...device, ...env },
      msMax,
      signal,
    });

  let env: Record<string, string> = {};
  if (engine.processEnvUrl !== undefined) {
    const end = await ask('env', engine.processEnvUrl, {});
    if (end.kind !== 'answered') return notReady(end, msMax);
    env = textsOf(end.value);
  }
  const end = await ask('probe', engine.probeUrl ?? engine.moduleUrl, env);
  if (end.kind !== 'answered') return notReady(end, msMax);
  const report = parseProbeReport(end.value);
  return report ?? { ready: false, detail: 'its probe answered something that is not a report', remedy: REPORT_IT };
}

const REPORT_IT = 'this is a mistake in the engine: report it to whoever wrote it';

function notReady(end: Exclude<ProbeEnd, { kind: 'answered' }>, msMax: number): ProbeReport {
  switch (end.kind) {
    case 'missing':
      return {
        ready: false,
        detail: clip(`it cannot be loaded: ${end.why}`),
        remedy: 'install the program again with all its packages (`npm ci` in a clone)',
      };
    case 'threw':
      return { ready: false, detail: clip(`its probe failed: ${end.why}`), remedy: REPORT_IT };
    case 'died':
      return {
        ready: false,
        detail: clip(`its probe crashed (${end.how})${end.said === undefined ? '' : `: ${end.said}`}`),
        remedy: 'a native library does not work on this machine: update its drivers, or set gpu = "cpu"',
      };
    case 'silent':
      return {
        ready: false,
        detail: `its probe did not answer within ${Math.round(msMax / 100) / 10} s`,
        remedy: 'a driver that hangs is the usual reason: update it, restart the machine, or set gpu = "cpu"',
      };
  }
}

/** What is not a text cannot be a variable. */
function textsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function clip(text: string): string {
  return oneLine(text).slice(0, 500);
}
