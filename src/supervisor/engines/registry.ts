// Knows which engines work on this machine while the worker runs. It starts with what the last run found, looks again in
// the background once the worker is connected, and keeps looking at engines that are not ready: somebody may install
// what they need. Probing itself happens in children (src/workers/probe-engines.ts).
//
//   idle ─begin, retry, config change→ probing ─all asked→ idle
import { isDeepStrictEqual } from 'node:util';
import type { PoolChoices } from '../../workers/pool-home.ts';
import { probeEngines } from '../../workers/probe-engines.ts';
import type { EngineDescriptor, EngineSettings, ProbeReport } from '../../workers/types.ts';
import type { Logs } from '../logs/logs.ts';
import { cacheKey, readProbeCache, writeProbeCache } from './probe-cache.ts';

export type RegistryTimes = {
  /** How often engines that are not ready are looked at again, in ms. */
  readonly retryMs: number;
  /** After so long the first look begins also without a session, in ms. */
  readonly beginMsMax: number;
};

/** Ten minutes: often enough for somebody who has just installed something, and some ten short processes an hour each. */
const TIMES: RegistryTimes = { retryMs: 600_000, beginMsMax: 3_000 };

export type RegistryOptions = {
  readonly engines: readonly EngineDescriptor[];
  readonly settings: EngineSettings;
  /** What pools choose apart from that. */
  readonly pools?: PoolChoices;
  readonly version: string;
  /** engines.json */
  readonly cacheFile: string;
  readonly logs: Logs;
  /** Dispatches `change` when the operator has changed something: a good moment to look again. */
  readonly configChanges: EventTarget;
  readonly times?: Partial<RegistryTimes>;
};

export interface EngineRegistry extends AsyncDisposable {
  /** Of an engine with a probe; undefined while nothing is known of it. */
  readonly report: (engineId: string) => ProbeReport | undefined;
  /** Dispatches `change` when an engine became ready or stopped being it. */
  readonly changes: EventTarget;
  /** Starts the first look. Later calls do nothing. */
  begin(): void;
}

export async function openEngineRegistry(options: RegistryOptions): Promise<EngineRegistry> {
  const { cacheFile, configChanges, logs, settings, pools = {} } = options;
  const { retryMs, beginMsMax } = { ...TIMES, ...options.times };
  const engines = options.engines.filter((engine) => engine.probeUrl !== undefined);
  const changes = new EventTarget();
  const leaving = new AbortController();
  const key = cacheKey(options.version, settings, pools);
  const reports = await readProbeCache(cacheFile, key, engines);
  let begun = false;
  let looking: Promise<void> | undefined;
  let lookAgain = false;

  for (const [id, report] of reports) tell(id, report);

  function take(engine: EngineDescriptor, report: ProbeReport): void {
    const before = reports.get(engine.id);
    if (isDeepStrictEqual(before, report)) return;
    reports.set(engine.id, report);
    tell(engine.id, report, before);
    if (before?.ready !== report.ready) changes.dispatchEvent(new Event('change'));
  }

  function tell(engine: string, report: ProbeReport, before?: ProbeReport): void {
    const { ready, detail, remedy, backend, devices } = report;
    if (ready) return logs.info('engine', 'engine ready', { engine, detail, backend, devices: devices?.join(', ') });
    // Most machines have no use for every engine. One that worked until now is another matter.
    const level = before?.ready ? 'warn' : 'info';
    logs[level]('engine', 'engine not available', { engine, detail, remedy });
  }

  async function look(which: readonly EngineDescriptor[]): Promise<void> {
    const before = new Map(reports);
    try {
      await probeEngines(which, { settings, pools, signal: leaving.signal, finished: take });
      if (!isDeepStrictEqual(before, reports)) await writeProbeCache(cacheFile, key, engines, reports);
    } catch (err) {
      if (leaving.signal.aborted) return;
      logs.warn('engine', 'what the engines need could not be looked at or noted', { err });
    }
  }

  function start(which: readonly EngineDescriptor[]): void {
    if (leaving.signal.aborted) return;
    looking = look(which).finally(() => {
      looking = undefined;
      if (lookAgain) retry();
    });
  }

  function retry(): void {
    if (!begun) return;
    lookAgain = looking !== undefined;
    if (lookAgain) return;
    const missing = engines.filter(({ id }) => reports.get(id)?.ready !== true);
    if (missing.length > 0) start(missing);
  }

  function begin(): void {
    if (begun) return;
    begun = true;
    clearTimeout(late);
    start(engines);
  }

  const late = setTimeout(begin, beginMsMax);
  const timer = setInterval(retry, retryMs);
  configChanges.addEventListener('change', retry);

  return {
    report: (id) => reports.get(id),
    changes,
    begin,
    async [Symbol.asyncDispose]() {
      configChanges.removeEventListener('change', retry);
      clearTimeout(late);
      clearInterval(timer);
      leaving.abort(new Error('the worker is stopping'));
      await looking;
    },
  };
}
