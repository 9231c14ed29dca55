// Looks at everything that a worker on this configuration would need. It changes nothing: no file is written, no
// registration is asked for, and a worker that runs meanwhile is not disturbed.
import os from 'node:os';
import { allEngines } from '../../workers/all-engines.ts';
import { probeEngines } from '../../workers/probe-engines.ts';
import type { EngineDescriptor } from '../../workers/types.ts';
import { ConfigError, parseConfig } from '../config/parse.ts';
import type { PathContext } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { openConfigStore } from '../config/store.ts';
import { readRunningPid } from '../daemon-lock.ts';
import { deviceBudgetBytes } from '../device/budget.ts';
import { engineSettings, poolChoices } from '../host-settings.ts';
import { packageVersion } from '../machine.ts';
import { checkDisk } from './check-disk.ts';
import { checkGpu } from './check-gpu.ts';
import { checkPort } from './check-ports.ts';
import { checkStudio } from './check-studio.ts';
import { type ConfigCheck, type DoctorReport, type EngineCheck, type MemoryCheck, problemsOf } from './report.ts';
import { serviceHint } from './service-hint.ts';

/** What the local API listens on when the configuration does not say. */
const DEFAULT_PORTS = { local_api_port: 4787, stream_port: 4798 };

/** `tell` hears what is being looked at, for a person who waits. */
export async function examine(
  configPath: string,
  dir: string,
  tell: (what: string) => void = () => {},
): Promise<DoctorReport> {
  tell('the configuration');
  const { check: config, config: settings } = await readConfig(configPath, dir);
  tell('the GPU, the disks, the ports and the studio');
  const [pid, gpu, disks, ports, studio] = await Promise.all([
    readRunningPid(dir),
    checkGpu(),
    Promise.all([checkDisk('models_root', settings.modelsRoot), checkDisk('config folder', dir)]),
    Promise.all([
      checkPort('local_api_port', settings.localApiPort ?? DEFAULT_PORTS.local_api_port),
      ...(settings.streamEnabled ? [checkPort('stream_port', settings.streamPort ?? DEFAULT_PORTS.stream_port)] : []),
    ]),
    // A broken file does not say which studio it means, and its default would be somebody else's.
    config.problem === undefined ? checkStudio(settings.apiBaseUrl) : undefined,
  ]);
  const engines = await checkEngines(settings, tell);
  const problems = problemsOf({ config, engines, disks });
  return {
    ...{ canWork: problems.length === 0, problems },
    ...{ version: packageVersion(), node: process.version, platform: `${process.platform}-${process.arch}` },
    ...(pid !== undefined && { pid }),
    ...{ config, engines, gpu },
    memory: checkMemory(settings, gpu.totalGb),
    ...{ disks, ports },
    ...(studio !== undefined && { studio }),
    service: serviceHint(),
  };
}

async function readConfig(configPath: string, dir: string): Promise<{ check: ConfigCheck; config: Config }> {
  try {
    const store = await openConfigStore(configPath);
    return { check: { path: store.path, exists: store.exists, warnings: store.warnings }, config: store.current };
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    const context: PathContext = {
      ...{ platform: process.platform, env: process.env },
      ...{ homedir: os.homedir(), tmpdir: os.tmpdir() },
    };
    const { config } = parseConfig('', configPath, dir, context);
    return { check: { path: configPath, exists: true, problem: thrown.message, warnings: [] }, config };
  }
}

async function checkEngines(config: Config, tell: (what: string) => void): Promise<EngineCheck[]> {
  const engines = allEngines(config.engines, config.onlyEngines);
  const reports = await probeEngines(engines, {
    settings: engineSettings(config),
    pools: poolChoices(config),
    started: ({ id }) => tell(`engine ${id}`),
  });
  return engines.map((engine) => {
    const { id, kinds } = engine;
    return { id, kinds, ...(reports.get(id) ?? withoutProbe(engine)) };
  });
}

function withoutProbe({ id }: EngineDescriptor): { ready: true; detail: string } {
  return {
    ready: true,
    detail: id === 'synthetic' ? 'placeholders, for trying a studio out' : 'it says of nothing that it needs it',
  };
}

function checkMemory(config: Config, totalGb: number): MemoryCheck {
  const gb = (bytes: number): number => Math.floor((bytes / 1024 ** 3) * 10) / 10;
  const budget = deviceBudgetBytes({ totalGb, marginGb: config.vramMarginGb });
  return { ramGb: gb(os.totalmem()), freeRamGb: gb(process.availableMemory()), budgetGb: gb(budget) };
}
