// How commands open the config: those that change it create it, those that only look never do. Both say on stderr what is
// odd about it.
import { type ConfigStore, openConfigStore } from '../config/store.ts';
import { say, warn } from './command.ts';

export async function openForWriting(configPath: string): Promise<ConfigStore> {
  const store = await openConfigStore(configPath, {
    create: true,
    detectedVramGb: async () => {
      const { probeDevice } = await import('../device/probe.ts');
      return (await probeDevice()).totalGb;
    },
  });
  return withWarnings(store);
}

export async function openForReading(configPath: string): Promise<ConfigStore> {
  return withWarnings(await openConfigStore(configPath));
}

/** After a change: the reader wants to know whether something has to be restarted. Nothing has. */
export async function tellOfRunningWorker(store: ConfigStore): Promise<void> {
  const { readRunningPid } = await import('../daemon-lock.ts');
  const pid = await readRunningPid(store.dir);
  if (pid !== undefined) say(`the running worker (pid ${pid}) takes it within one heartbeat`);
}

function withWarnings(store: ConfigStore): ConfigStore {
  for (const warning of store.warnings) warn(warning);
  return store;
}
